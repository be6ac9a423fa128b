//! The rules that the sources themselves keep.

mod frame;
mod modules;
mod reader;
