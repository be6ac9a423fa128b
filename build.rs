//! Links the crate as a Node addon, unless it is for wasm.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        return;
    }
    napi_build::setup();
}
