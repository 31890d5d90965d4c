//! A window that only the thread of its main loop may use; other threads post
//! jobs to the loop. The window calls back on the loop, too.

/// The API.
pub mod api {
    use crate::Refused;
    use crate::device::{Answer, Device};

    type Callback = Box<dyn FnOnce(Result<u32, Refused>)>;
    type Job = Box<dyn FnOnce(&mut Window) + Send>;

    /// Not `Send`.
    #[derive(Default)]
    pub struct Window {
        on_answer: Option<Callback>,
    }

    impl Window {
        pub fn ask(&mut self, on_answer: impl FnOnce(Result<u32, Refused>) + 'static) {
            self.on_answer = Some(Box::new(on_answer));
        }
    }

    /// Posts to the main loop, from any thread.
    #[derive(Clone, Default)]
    pub struct MainLoop(Device<Job>);

    impl MainLoop {
        pub fn post(&self, job: impl FnOnce(&mut Window) + Send + 'static) {
            self.0.begin(Box::new(job));
        }

        /// Runs what was posted, on this thread.
        fn turn(&self, window: &mut Window) {
            if let Some(job) = self.0.take() {
                job(window);
            }
        }
    }

    impl Answer for MainLoop {
        fn answer(&self, result: Result<u32, Refused>) {
            let mut window = Window::default();
            self.turn(&mut window);
            if let Some(on_answer) = window.on_answer.take() {
                on_answer(result);
            }
        }
        /// The loop ends, with the question open.
        fn lose(&self) -> bool {
            self.turn(&mut Window::default());
            true
        }
    }
}

pub mod deferred {
    use super::api::MainLoop;
    use tokio_deferred::Deferred;

    pub fn ask(main_loop: &MainLoop) -> Deferred<u32> {
        Deferred::from_callback(|resolver| {
            main_loop.post(|window| window.ask(resolver.into_fn()));
        })
    }
}

pub mod oneshot {
    use super::api::MainLoop;
    use crate::Error;
    use tokio::sync::oneshot;

    pub async fn ask(main_loop: MainLoop) -> Result<u32, Error> {
        let (sender, receiver) = oneshot::channel();
        main_loop.post(|window| {
            window.ask(|result| {
                let _ = sender.send(result); // the caller may have gone
            });
        });
        Ok(receiver.await??)
    }
}
