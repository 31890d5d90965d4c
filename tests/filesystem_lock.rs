//! Locks between processes: the second process is this test binary, told by
//! its environment which file to hold.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use tokio_deferred::{AlreadyLocking, DeferredFilesystemLock, LockFileError, NoRuntime, testing};

const FILE: &str = "TOKIO_DEFERRED_LOCK_FILE";
const HELD: &str = "the lock is held";

/// What the second process runs: it takes the lock, says so, and holds it until
/// its standard input ends.
#[test]
#[ignore = "run by the other tests, as their second process"]
fn second_process() {
    let file = std::env::var_os(FILE).expect("the other tests say which file");
    let lock = DeferredFilesystemLock::new(file);
    let _guard = testing::success_of(lock.defer_until_locked(None));
    println!("{HELD}");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

/// Another process, which holds the lock; killed when it is dropped.
struct Holder(Child, Lines<BufReader<ChildStdout>>);

impl Holder {
    fn start(file: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "second_process", "--nocapture"])
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut holder = Holder(child, lines);
        let held = holder.1.any(|line| line.unwrap().contains(HELD));
        assert!(held, "the second process did not get the lock");
        holder
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        let status = self.0.wait().unwrap();
        assert!(
            !status.success(),
            "it was to be killed while it held the lock"
        );
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.1.all(|line| line.is_ok()));
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It is gone already if the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lock_in(folder: &tempfile::TempDir) -> DeferredFilesystemLock {
    DeferredFilesystemLock::new(folder.path().join("the.lock"))
}

#[tokio::test]
async fn kill_of_the_process_that_holds_it_then_we_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let lock = lock_in(&folder);
    let holder = Holder::start(lock.path());
    let d = lock.defer_until_locked(None);
    let second = lock_in(&folder).defer_until_locked(Some(Duration::from_millis(50)));
    assert!(second.await.unwrap_err().is_timed_out());
    testing::assert_no_result(&d);
    holder.kill();
    let guard = d.await.unwrap();
    assert_eq!(guard.path(), lock.path());
}

#[tokio::test]
async fn release_by_another_process_then_we_get_it_then_it_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let lock = lock_in(&folder);
    let holder = Holder::start(lock.path());
    let d = lock.defer_until_locked(Some(Duration::from_secs(60)));
    holder.end();
    drop(d.await.unwrap());
    // It says so only once it has the lock.
    Holder::start(lock.path()).end();
}

#[test]
fn free_lock_needs_no_runtime_and_a_held_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let guard = testing::success_of(lock_in(&folder).defer_until_locked(None));
    let failure = testing::failure_of(lock_in(&folder).defer_until_locked(None));
    assert!(failure.is::<NoRuntime>(), "{failure:?}");
    drop(guard);
    let _guard = testing::success_of(lock_in(&folder).defer_until_locked(None));
}

#[tokio::test(start_paused = true)]
async fn timeout_comes_at_its_time_and_leaves_the_lock_alone() {
    let folder = tempfile::tempdir().unwrap();
    let guard = lock_in(&folder).defer_until_locked(None).await.unwrap();
    let lock = lock_in(&folder);
    let start = tokio::time::Instant::now();
    let after = Duration::from_secs(3);
    let error = lock.defer_until_locked(Some(after)).await.unwrap_err();
    assert!(error.is_timed_out());
    let took = start.elapsed();
    assert!(
        (after..after + Duration::from_millis(5)).contains(&took),
        "{took:?}"
    );
    drop(guard);
    let at_once = lock.defer_until_locked(Some(Duration::ZERO));
    drop(testing::success_of(at_once));
}

#[tokio::test(start_paused = true)]
async fn cancel_then_release_then_another_try_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let guard = lock_in(&folder).defer_until_locked(None).await.unwrap();
    let lock = lock_in(&folder);
    let d = lock.defer_until_locked(None);
    d.cancel();
    assert!(testing::failure_of(d).is_cancelled());
    let again = lock.defer_until_locked(None);
    drop(guard);
    drop(again.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn drop_of_a_wait_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let guard = lock_in(&folder).defer_until_locked(None).await.unwrap();
    let lock = lock_in(&folder);
    drop(lock.defer_until_locked(None));
    let again = lock.defer_until_locked(None);
    drop(guard);
    drop(again.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn deliver_then_drop_untaken_releases() {
    let folder = tempfile::tempdir().unwrap();
    let guard = lock_in(&folder).defer_until_locked(None).await.unwrap();
    let d = lock_in(&folder).defer_until_locked(None);
    drop(guard);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(d.is_fired());
    drop(d);
    let again = lock_in(&folder).defer_until_locked(None);
    drop(testing::success_of(again));
}

#[tokio::test(start_paused = true)]
async fn second_wait_of_one_object_is_already_locking() {
    let folder = tempfile::tempdir().unwrap();
    let guard = lock_in(&folder).defer_until_locked(None).await.unwrap();
    let lock = lock_in(&folder);
    let first = lock.defer_until_locked(None);
    let second = lock.clone().defer_until_locked(None);
    assert!(testing::failure_of(second).is::<AlreadyLocking>());
    drop(guard);
    let guard = first.await.unwrap();
    // It waits no more, so it may wait again.
    let third = lock.defer_until_locked(None);
    testing::assert_no_result(&third);
    drop(guard);
    drop(third.await.unwrap());
}

#[test]
fn path_that_cannot_be_written_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    // A folder cannot be opened for writing, whoever runs this.
    for path in [
        folder.path().to_owned(),
        folder.path().join("missing/the.lock"),
    ] {
        let lock = DeferredFilesystemLock::new(&path);
        let failure = testing::failure_of(lock.defer_until_locked(None));
        let error = failure.check::<LockFileError>().unwrap();
        assert_eq!(error.path, path);
        assert!(
            failure.to_string().contains(path.to_str().unwrap()),
            "{failure}"
        );
        assert!(failure.is::<std::io::Error>(), "{failure:?}");
        // It is not locking any more.
        let again = testing::failure_of(lock.defer_until_locked(None));
        assert!(again.is::<LockFileError>());
    }
}

#[test]
fn shutdown_of_the_runtime_fails_the_wait() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _guard = testing::success_of(lock_in(&folder).defer_until_locked(None));
    let d = {
        let _entered = runtime.enter();
        lock_in(&folder).defer_until_locked(None)
    };
    drop(runtime);
    assert!(testing::failure_of(d).is::<NoRuntime>());
}
