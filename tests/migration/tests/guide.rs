//! The guide shows the stages of the migrate example as they are.

use migration_steps as steps;

const PAGE: &str = include_str!("../../../docs/examples/migrate.md");

#[test]
fn third_stage_is_one_of_the_steps() {
    let [_, chain, mixed, all_async] = steps::stages();
    for function in &mixed.functions {
        let name = &function.name;
        let expected = match ["price", "pay"].contains(&name.as_str()) {
            true => steps::wrapped(all_async.function(name)),
            false => chain.function(name).text.clone(),
        };
        assert_eq!(function.text, expected, "{name}");
    }
}

#[test]
fn diffs_in_the_guide_are_of_the_stages() {
    let mut diffs = 0;
    for block in PAGE.split("```diff\n").skip(1) {
        let (diff, _) = block.split_once("```").expect("blocks end");
        let mut lines = diff.lines();
        for (file, other) in [("--- ", '+'), ("+++ ", '-')] {
            let name = lines.next().and_then(|line| line.strip_prefix(file));
            let source = steps::source(name.expect("a diff begins with its files"));
            let of_file = diff.lines().skip(2).filter(|line| !line.starts_with(other));
            let shown: Vec<_> = of_file.map(|line| line[1..].trim()).collect();
            let lines: Vec<_> = source.lines().map(str::trim).collect();
            assert!(
                lines.windows(shown.len()).any(|window| window == shown),
                "not in {name:?}: {shown:#?}"
            );
        }
        diffs += 1;
    }
    assert_eq!(diffs, 6);
}
