//! The Byronification engine, which knows two ways of going wrong.

use clap::ValueEnum;
use thiserror::Error;

/// What is printed for a server.
#[derive(Debug)]
pub(crate) struct Poem {
    pub(crate) text: String,
    /// Why the engine left the text as it came, if it did.
    pub(crate) engine_error: Option<String>,
}

impl Poem {
    pub(crate) fn byronified(text: String) -> Self {
        Self {
            text,
            engine_error: None,
        }
    }

    pub(crate) fn as_it_came(text: String, error: impl std::fmt::Display) -> Self {
        Self {
            text,
            engine_error: Some(format!("{error:#}")),
        }
    }
}

/// The engine's verdict that there was no poem in the download.
#[derive(Debug, Error)]
#[error("the engine takes the poem for gibberish")]
pub(crate) struct GibberishError;

#[derive(Debug, Error)]
pub(crate) enum EngineError {
    #[error("{0}")]
    Gibberish(#[from] GibberishError),
    #[error("the engine tripped over the first of {lines} lines")]
    Bug { lines: usize },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Engine {
    /// Ends every line as Byron would
    Byron,
    /// Takes every poem for gibberish, so that every download fails
    Gibberish,
    /// Fails on every poem, which is then printed as it came
    Buggy,
}

impl Engine {
    pub(crate) fn byronify(self, poem: &str) -> Result<String, EngineError> {
        match self {
            Engine::Byron => Ok(poem.lines().map(end_with_dash).collect()),
            Engine::Gibberish => Err(GibberishError.into()),
            Engine::Buggy => Err(EngineError::Bug {
                lines: poem.lines().count(),
            }),
        }
    }
}

fn end_with_dash(line: &str) -> String {
    let dash = if line.is_empty() { "" } else { "\u{2014}" };
    format!("{line}{dash}\n")
}
