//! The same mistakes, as the messages say that they are to be put right.

use tokio_deferred::{Deferred, Failure, OrFail, inline_callbacks, join};

#[inline_callbacks]
async fn price(item: &'static str) -> Result<usize, Failure> {
    Ok(item.len())
}

fn main() {
    Deferred::succeed(1).add_callback(|n| Ok(n + 1)).detach();
    Deferred::succeed(1).map(|n| n + 1).detach();
    Deferred::succeed("1").add_callback(|text| Ok(text.parse::<i32>()?)).detach();
    Deferred::succeed("1").add_callback(|text| text.parse::<i32>().or_fail()).detach();
    Deferred::<i32>::fail("no price")
        .add_callback(|_| -> Result<(), Failure> { panic!("not yet") })
        .add_errback(|_| Ok(()))
        .detach();
    let total: Deferred<usize> = price("mug").map(|_| price("teapot")).flatten();
    drop(total);
    let port = Deferred::succeed("80").add_callback(|text| Ok(text.parse::<u16>()?));
    port.add_errback(|_failure| Ok(8080)).detach();
    drop(join((Deferred::succeed(1), Deferred::succeed("one"))));
    let d = Deferred::succeed(1).add_callback(|n| Deferred::from_coroutine(async move { Ok::<_, Failure>(n) }));
    d.inspect_err(|failure| eprintln!("{failure}")).detach();
    let (_resolver, d) = Deferred::<i32>::with_canceller(|| {
        println!("stopping");
        None
    });
    d.detach();
    let d = Deferred::succeed("7").add_callback(|s| Ok(s.parse::<i32>()?)).add_callback(Deferred::succeed);
    d.detach();
    Deferred::from_callback(|resolver| {
        std::thread::spawn(move || resolver.callback(1));
    })
    .detach();
    let d = Deferred::succeed(1).share();
    drop((d.subscribe().map(|n| n * 2), d.subscribe()));
}
