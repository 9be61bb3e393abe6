//! Lets the linker leave the interpreter's symbols open: an extension module finds them in the process that loads it.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
