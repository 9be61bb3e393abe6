//! Headers of safetensors files, to compare the parameters of a checkpoint with those of a configuration.
