//! stub for build
fn main() {}
