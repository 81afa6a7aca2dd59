//! Run with: cargo run --example hello
fn main() {}
