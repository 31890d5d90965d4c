//! SQLite: a C library that calls back while a statement runs, and stops it
//! when the callback says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use rusqlite::Connection;
use tokio_deferred::{Deferred, Resolver};

use crate::report::report;

/// How many steps of SQLite's virtual machine lie between two calls back.
const STEPS: u16 = 1000;

type OnProgress = Box<dyn FnMut(u64) + Send>;

struct Query {
    sql: &'static str,
    stop: Arc<AtomicBool>,
    on_progress: OnProgress,
    resolver: Resolver<i64>,
}

/// A connection on a thread of its own, where its statements run in turn.
struct Database {
    queries: Sender<Query>,
}

impl Database {
    /// Opens a database in memory.
    fn open() -> anyhow::Result<Self> {
        let connection = Connection::open_in_memory()?;
        let (queries, received) = mpsc::channel();
        thread::Builder::new()
            .name("sqlite".into())
            .spawn(move || run(&connection, &received))?;
        Ok(Self { queries })
    }

    /// Runs a statement and fires with the first number of its first row.
    ///
    /// While it runs, `on_progress` is told how many steps it has taken.
    /// Cancelling stops this statement, and no other that is ahead of it.
    ///
    /// # Errors
    ///
    /// [`rusqlite::Error`]
    fn query(
        &self,
        sql: &'static str,
        on_progress: impl FnMut(u64) + Send + 'static,
    ) -> Deferred<i64> {
        let stop = Arc::new(AtomicBool::new(false));
        let raised = Arc::clone(&stop);
        let (resolver, deferred) = Deferred::with_canceller(move || {
            raised.store(true, Ordering::Relaxed);
            None
        });
        // If the thread is gone, the query comes back in the error, and
        // dropping its resolver fails the Deferred.
        drop(self.queries.send(Query {
            sql,
            stop,
            on_progress: Box::new(on_progress),
            resolver,
        }));
        deferred
    }
}

fn run(connection: &Connection, queries: &Receiver<Query>) {
    for query in queries {
        let Query {
            sql,
            stop,
            mut on_progress,
            resolver,
        } = query;
        if stop.load(Ordering::Relaxed) {
            continue;
        }
        let mut steps = 0;
        let callback = move || {
            steps += u64::from(STEPS);
            on_progress(steps);
            // True interrupts the statement.
            stop.load(Ordering::Relaxed)
        };
        connection.progress_handler(i32::from(STEPS), Some(callback));
        let result = connection.query_row(sql, [], |row| row.get(0));
        connection.progress_handler(0, None::<fn() -> bool>);
        // Swallowed if the query was cancelled: the caller has its answer.
        resolver.resolve(result);
    }
}

/// A progress callback, and a Deferred that fires when it is called first.
fn first_call() -> (impl FnMut(u64) + Send + 'static, Deferred<u64>) {
    let (resolver, called) = Deferred::new();
    let mut resolver = Some(resolver);
    let on_progress = move |steps| {
        if let Some(resolver) = resolver.take() {
            resolver.callback(steps);
        }
    };
    (on_progress, called)
}

pub(crate) async fn show() -> anyhow::Result<()> {
    const SUM: &str =
        "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                       SELECT sum(i) FROM n";
    const ENDLESS: &str = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n)
                           SELECT count(*) FROM n";
    let database = Database::open()?;
    let ignore = |_| ();

    let (on_progress, called) = first_call();
    let sum = database.query(SUM, on_progress);
    report::<_, rusqlite::Error>("sqlite: steps at the first call back", &called.await);
    report::<_, rusqlite::Error>("sqlite: sum of 1 to 10000", &sum.await);

    let missing = database.query("SELECT count(*) FROM poems", ignore);
    report::<_, rusqlite::Error>("sqlite: from a missing table", &missing.await);

    let (on_progress, called) = first_call();
    let endless = database.query(ENDLESS, on_progress);
    called.await?;
    endless.cancel();
    report::<_, rusqlite::Error>("sqlite: a query that is cancelled", &endless.await);
    let next = database.query("SELECT 6 * 7", ignore);
    report::<_, rusqlite::Error>("sqlite: the query behind it", &next.await);
    Ok(())
}
