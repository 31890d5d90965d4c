//! A chat server on one thread: `cargo run -p local_chat`, and then
//! `nc localhost 7000` in a few terminals.

use clap::{Parser, ValueEnum};
use local_chat::room::{Line, Room};
use local_chat::{callbacks, coroutines};
use std::rc::Rc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio_deferred::local::LocalDeferred;

/// A chat server on one thread.
#[derive(Parser)]
struct Args {
    /// The port to listen at; 0 for any that is free.
    #[arg(long, default_value_t = 7000)]
    port: u16,
    /// Which of the two programs runs.
    #[arg(long, value_enum, default_value_t = Stage::Coroutines)]
    stage: Stage,
}

#[derive(Clone, Copy, ValueEnum)]
enum Stage {
    Callbacks,
    Coroutines,
}

/// Makes a line of a socket.
fn connect(stream: TcpStream) -> Line {
    let (read, mut write) = stream.into_split();
    let (out, mut lines) = mpsc::unbounded_channel::<String>();
    spawn_local(async move {
        while let Some(text) = lines.recv().await {
            if write
                .write_all(format!("{text}\n").as_bytes())
                .await
                .is_err()
            {
                break;
            }
        }
    });
    let line = Line::new(move |text| {
        let _ = out.send(text.to_owned()); // the client has gone
    });
    let fed = line.clone();
    spawn_local(async move {
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(text)) = lines.next_line().await {
            fed.feed(&text);
        }
        fed.close();
    });
    line
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let session: fn(Rc<Room>, Line) -> LocalDeferred<()> = match args.stage {
        Stage::Callbacks => callbacks::session,
        Stage::Coroutines => coroutines::session,
    };
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await?;
    println!("listening at {}", listener.local_addr()?);
    let room = Rc::new(Room::default());
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await?;
            let line = connect(stream);
            session(room.clone(), line.clone())
                .finally(move || line.hang_up())
                .log_errors();
        }
    };
    LocalSet::new().run_until(serve).await
}
