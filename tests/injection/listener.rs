//! A `tracing` subscriber, every method of which is user code.

use crate::trial::{Kind, Trial};
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Id, Metadata, Subscriber, span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// It hears errors, and spans if it `spans`, for the trial of its thread.
struct Listener {
    spans: bool,
}

pub(crate) fn listener(spans: bool) -> impl Subscriber + Send + Sync + 'static {
    Registry::default().with(Listener { spans })
}

impl Listener {
    fn site(&self) {
        if let Some(trial) = Trial::current() {
            trial.site(Kind::Subscriber);
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Listener {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        // The threads of other trials have listeners of their own.
        tracing::subscriber::Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let (all, errors) = (LevelFilter::TRACE, LevelFilter::ERROR);
        Some(if self.spans { all } else { errors })
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.spans || *metadata.level() == tracing::Level::ERROR
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "tokio_deferred" {
            let mut message = Message(String::new());
            event.record(&mut message);
            if let Some(trial) = Trial::current() {
                trial.said(&message.0);
            }
        }
        self.site();
    }

    fn on_new_span(&self, _: &span::Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.site();
    }

    fn on_enter(&self, _: &Id, _: Context<'_, S>) {
        self.site();
    }

    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        self.site();
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        self.site();
    }
}
