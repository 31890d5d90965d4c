//! Performs random programs with the library and with the sequential model, and
//! fails where their traces differ.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../codec/mod.rs"]
#[allow(dead_code)] // Nothing is encoded here.
mod codec;
#[path = "../../model/mod.rs"]
mod model;
#[path = "../../../examples/replay/replayer/mod.rs"]
#[allow(dead_code)] // Programs come from bytes.
mod replayer;

fuzz_target!(|bytes: &[u8]| {
    if let Err(difference) = model::oracle::check(&codec::decode::decode(bytes)) {
        panic!("{difference}");
    }
});
