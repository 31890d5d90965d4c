//! Performs random programs with the library and with the sequential model, and
//! fails where their traces differ.

#![no_main]

use libfuzzer_sys::fuzz_target;
use test_support::codec::decode::decode;
use test_support::model::oracle::check;

fuzz_target!(|bytes: &[u8]| {
    if let Err(difference) = check(&decode(bytes)) {
        panic!("{difference}");
    }
});
