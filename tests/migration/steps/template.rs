// MODULES

use std::sync::mpsc::channel;

use tokio_deferred::{Deferred, Failure};

const PURCHASES: [(&str, &str); 6] = [
    ("ann", "teapot"),
    ("ann", "mug"),
    ("ann", "chair"),
    ("ann", "lamp"),
    ("bob", "teapot"),
    ("mallory", "teapot"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_step_between_the_stages_works() {
    tokio_deferred::set_default_runtime(&tokio::runtime::Handle::current());
    let address = shop::open().expect("a shop").to_string();
    let mut first: Option<Vec<(Vec<String>, Result<String, String>)>> = None;

    macro_rules! check {
        ($name:literal, |$line:ident, $user:ident, $item:ident| $buy:expr) => {{
            let mut outcomes = Vec::new();
            for (user, item) in PURCHASES {
                let (teller, told) = channel();
                let $line = line::Line::connect(&address, move |said| {
                    teller.send(said.to_owned()).expect("somebody listens");
                })
                .expect("the shop is open");
                let ($user, $item) = (user.to_owned(), item.to_owned());
                let receipt = $buy.await.map_err(|error| format!("{error:#}"));
                let receipt = receipt.map(|receipt| receipt.to_string());
                // Ends when the line's thread does: nothing is said after that.
                outcomes.push((told.iter().collect(), receipt));
            }
            let expected = first.get_or_insert_with(|| outcomes.clone());
            assert_eq!(outcomes, *expected, $name);
        }};
    }

// CALLS

    let outcomes = first.expect("there are steps");
    assert_eq!(outcomes.iter().filter(|outcome| outcome.1.is_ok()).count(), 2);
}
