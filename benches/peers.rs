//! Each piece of work under criterion, with a Deferred and with its peers.
//!
//! `cargo bench -p tokio-deferred-benches --bench peers` takes about three minutes;
//! `cargo bench -p tokio-deferred-benches --bench peers -- --quick` a fraction of it, and a name runs
//! what it matches: `cargo bench -p tokio-deferred-benches --bench peers -- chain10`. Times drift from
//! run to run: `--bench ratios` gives the ratios within one.

mod contest;

use criterion::{Criterion, SamplingMode, Throughput};
use std::time::Duration;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_000))
        .without_plots()
        .configure_from_args();
    for group in contest::groups() {
        let mut bench = criterion.benchmark_group(group.name);
        bench.throughput(Throughput::Elements(group.units));
        for mut contestant in group.contestants {
            if contestant.slow {
                bench.sampling_mode(SamplingMode::Flat).sample_size(10);
            }
            bench.bench_function(contestant.name, |bencher| {
                bencher.iter_custom(|rounds| contestant.run(rounds));
            });
        }
        bench.finish();
    }
    criterion.final_summary();
}
