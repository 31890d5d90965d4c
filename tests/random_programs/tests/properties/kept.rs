//! The inputs that the fuzzer found worth keeping, and their form.

use crate::RECORDED;
use std::fs;
use std::path::Path;
use test_support::codec::decode::decode;
use test_support::codec::encode::encode;
use test_support::model::oracle::check;
use test_support::model::write::line;
use test_support::replayer::corpus::{SYNC, TASKS};
use test_support::replayer::program::Program;

#[test]
fn kept_inputs_leave_the_traces_of_the_model() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/programs");
    let mut inputs = 0;
    let kept = fs::read_dir(folder).expect("the inputs come with the repository");
    for entry in kept.take(RECORDED) {
        let path = entry.expect("the folder can be read").path();
        let bytes = fs::read(&path).expect("an input can be read");
        if let Err(difference) = check(&decode(&bytes)) {
            panic!("{}: {difference}", path.display());
        }
        inputs += 1;
    }
    assert!(inputs > 0, "there are no inputs");
}

#[test]
fn programs_come_back_from_bytes_and_from_lines() {
    let (mut encoded, mut all) = (0, 0);
    for corpus in [SYNC, TASKS] {
        let programs = corpus.read().expect("the corpus comes with the repository");
        for program in programs.into_iter().take(RECORDED) {
            let written = format!("{:?}", program.ops);
            let read = Program::parse(&line(&program)).expect("a program is a line");
            assert!(
                format!("{:?}", read.ops) == written || written.contains("Unreadable"),
                "{}",
                program.id
            );
            all += 1;
            if let Some(bytes) = encode(&program.ops) {
                assert_eq!(format!("{:?}", decode(&bytes)), written, "{}", program.id);
                encoded += 1;
            }
        }
    }
    // Some have a number that is too large for a byte.
    assert!(encoded > all * 9 / 10, "{encoded} of {all}");
}
