//! The command as its users meet it: the built binary, its exit codes, its streams and what it prints.

mod annotate;
mod check;
mod compare;
mod contract;
mod explain;
mod figures;
mod formats;
mod hardware;
mod inputs;
mod optimize;
mod output;
mod pages;
mod patterns;
mod report;
mod run;
mod scratch;
mod stack;
