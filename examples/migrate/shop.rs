//! A shop to buy from, when there is no other: on loopback, one thread a
//! customer.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Opens the shop, for as long as the program runs.
///
/// It sells teapots and lamps, the lamps are gone, and its outlet has mugs.
/// It does not let `mallory` in, and `bob` cannot pay.
///
/// # Errors
///
/// Fails when there is no port to be had.
pub(crate) fn open() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for customer in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(customer));
        }
    });
    Ok(address)
}

fn serve(mut customer: TcpStream) -> io::Result<()> {
    let mut user = String::new();
    for question in BufReader::new(customer.try_clone()?).lines() {
        let answer = answer(&question?, &mut user);
        customer.write_all(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}

fn answer(question: &str, user: &mut String) -> String {
    let words: Vec<_> = question.split(' ').collect();
    match words[..] {
        ["LOGIN", "mallory"] => "REFUSED no such user".to_owned(),
        ["LOGIN", name] => {
            name.clone_into(user);
            "TOKEN t1".to_owned()
        }
        ["PRICE", "t1", "teapot"] => "CENTS 1250".to_owned(),
        ["PRICE", "t1", "lamp"] => "CENTS 4000".to_owned(),
        ["OUTLET", "t1", "mug"] => "CENTS 395".to_owned(),
        ["PRICE" | "OUTLET", "t1", item] => format!("UNKNOWN {item}"),
        ["HOLD", "t1", "lamp"] => "REFUSED the lamps are sold out".to_owned(),
        ["HOLD", "t1", _] => "HELD h1".to_owned(),
        ["PAY", "t1", "h1", _] if user == "bob" => "REFUSED no money on the card".to_owned(),
        ["PAY", "t1", "h1", _] => "RECEIPT r1".to_owned(),
        ["RELEASE", "t1", "h1"] => "RELEASED h1".to_owned(),
        ["LOGOUT", "t1"] => "BYE".to_owned(),
        _ => "REFUSED no such request".to_owned(),
    }
}
