//! The red-green diagram as an SVG picture.

use svg::Document;
use svg::node::element::{
    Definitions, Group, Line, Marker, Path, Polyline, Rectangle, Style, Text, Title,
};
use tokio_deferred::debug::Side;

use crate::chain::{self, Firing, Pair};

const BOX: (f64, f64) = (124.0, 72.0);
const BETWEEN_SIDES: f64 = 20.0;
const ARROW: f64 = 44.0;
const MARGIN: f64 = 28.0;
const PANEL_WIDTH: f64 = 2.0 * BOX.0 + BETWEEN_SIDES;
/// Where the first stage begins, below the title and the initial value.
const FIRST_STAGE: f64 = 64.0 + ARROW;
const BETWEEN_PANELS: f64 = 48.0;
/// What a chain that is not fired leaves free above and below its stages, where
/// others have the initial value and the result.
const FREE: (f64, f64) = (ARROW + 20.0, ARROW + 24.0);

/// All under a class of the picture's own: inside of a page, styles reach out.
const LOOK: &str = "\
.chain { max-width: 100%; height: auto; }
.chain text { font: 14px 'DejaVu Sans Mono', Menlo, Consolas, monospace; text-anchor: middle; }
.chain .title { font-weight: bold; fill: #222; }
.chain .rule { stroke: #bbb; }
.chain .callback rect { fill: #d9f2dd; stroke: #2e8b43; }
.chain .errback rect { fill: #f9dcdc; stroke: #b83232; }
.chain .idle { opacity: 0.35; }
.chain .caption { fill: #555; font-size: 12px; }
.chain .value { fill: #1f6b31; }
.chain .failure { fill: #a02424; }
.chain polyline { stroke-width: 2; }
.chain polyline.value { fill: none; stroke: #2e8b43; marker-end: url(#value-tip); }
.chain polyline.failure { fill: none; stroke: #b83232; marker-end: url(#failure-tip); }";

/// Draws the chain and its two firings, side by side or one below the other.
pub(crate) fn draw(pairs: &[Pair], callback: &Firing, errback: &Firing, narrow: bool) -> Document {
    let height = FIRST_STAGE + pairs.len() as f64 * (BOX.1 + ARROW) + 24.0;
    // Side by side, the stages of all panels are level; one below the other,
    // the first panel need not leave anything free.
    let (across, down, free) = match narrow {
        true => (0.0, height + BETWEEN_PANELS, FREE),
        false => (PANEL_WIDTH + BETWEEN_PANELS, 0.0, (0.0, 0.0)),
    };
    let size = (
        PANEL_WIDTH + 2.0 * across + 2.0 * MARGIN,
        height + 2.0 * down + 2.0 * MARGIN - free.0 - free.1,
    );
    let panels = [
        chain_panel(pairs, free.0),
        firing_panel(pairs, callback),
        firing_panel(pairs, errback),
    ];
    let mut document = Document::new()
        .set("viewBox", (0.0, 0.0, size.0, size.1))
        .set("width", size.0)
        .set("height", size.1)
        .set("role", "img")
        .set("class", "chain")
        .add(Title::new(
            "a chain of callbacks and errbacks, and how it fires",
        ))
        .add(Style::new(LOOK))
        .add(Definitions::new().add(tip("value")).add(tip("failure")))
        .add(
            Rectangle::new()
                .set("width", "100%")
                .set("height", "100%")
                .set("fill", "white"),
        );
    for (index, panel) in panels.into_iter().enumerate() {
        let (x, mut y) = (MARGIN + index as f64 * across, MARGIN + index as f64 * down);
        if index > 0 {
            y -= free.0 + free.1;
        }
        document = document.add(panel.set("transform", format!("translate({x} {y})")));
    }
    document
}

/// The chain as it was built: what each callback and errback would do; moved up
/// by `lift`.
fn chain_panel(pairs: &[Pair], lift: f64) -> Group {
    let mut stages = Group::new();
    if lift > 0.0 {
        stages = stages.set("transform", format!("translate(0 {})", -lift));
    }
    for (stage, pair) in pairs.iter().enumerate() {
        for side in chain::SIDES {
            let caption = pair.on(side).to_string();
            stages = stages.add(stage_box(stage, side).add(text(
                centre(side),
                stage_top(stage) + BOX.1 / 2.0 + 5.0,
                &caption,
                class(side),
            )));
        }
    }
    titled("Deferred").add(stages)
}

/// The way a result took; what did not run is there, but pale.
fn firing_panel(pairs: &[Pair], firing: &Firing) -> Group {
    let method = chain::name(firing.start);
    let initial = firing.initial();
    let mut panel = titled(&format!("d.{method}({initial})"));
    panel = panel.add(result(firing.start, FIRST_STAGE - ARROW - 8.0, &initial));

    for step in &firing.steps {
        let top = stage_top(step.stage);
        let middle = centre(step.side);
        let caption = pairs[step.stage].on(step.side).to_string();
        let ran = stage_box(step.stage, step.side)
            .add(text(
                middle,
                top + 20.0,
                &step.input,
                value_class(&step.input),
            ))
            .add(text(middle, top + 40.0, &caption, "caption"))
            .add(text(
                middle,
                top + 61.0,
                &step.output,
                value_class(&step.output),
            ));
        let other = match step.side {
            Side::Callback => Side::Errback,
            Side::Errback => Side::Callback,
        };
        panel = panel.add(ran).add(
            Group::new()
                .set("class", "idle")
                .add(stage_box(step.stage, other)),
        );
    }
    for (stage, (from, to)) in firing.hops().enumerate() {
        panel = panel.add(arrow(from, to, stage_top(stage) - ARROW));
    }
    let below = stage_top(firing.steps.len()) + 16.0;
    panel.add(result(firing.end, below, &firing.result))
}

fn titled(title: &str) -> Group {
    let middle = PANEL_WIDTH / 2.0;
    let half = title.chars().count() as f64 * 4.5;
    Group::new().add(text(middle, 14.0, title, "title")).add(
        Line::new()
            .set("class", "rule")
            .set("x1", middle - half)
            .set("x2", middle + half)
            .set("y1", 24)
            .set("y2", 24),
    )
}

fn stage_box(stage: usize, side: Side) -> Group {
    let outline = Rectangle::new()
        .set("x", centre(side) - BOX.0 / 2.0)
        .set("y", stage_top(stage))
        .set("width", BOX.0)
        .set("height", BOX.1)
        .set("rx", 6);
    Group::new().set("class", chain::name(side)).add(outline)
}

/// An arrow that ends just above the box it points to.
fn arrow(from: Side, to: Side, top: f64) -> Polyline {
    let (start, end) = (centre(from), centre(to));
    let turn = top + ARROW / 2.0 - 3.0;
    let tip = top + ARROW - 8.0;
    Polyline::new().set("class", class(to)).set(
        "points",
        format!("{start},{top} {start},{turn} {end},{turn} {end},{tip}"),
    )
}

fn tip(name: &str) -> Marker {
    let colour = match name {
        "value" => "#2e8b43",
        _ => "#b83232",
    };
    Marker::new()
        .set("id", format!("{name}-tip"))
        .set("markerWidth", 6)
        .set("markerHeight", 5)
        .set("refX", 2)
        .set("refY", 2.5)
        .set("orient", "auto")
        .add(Path::new().set("d", "M0 0L5 2.5L0 5z").set("fill", colour))
}

fn result(side: Side, y: f64, value: &str) -> Text {
    text(centre(side), y, value, class(side))
}

fn text(x: f64, y: f64, words: &str, class: &str) -> Text {
    Text::new(words).set("x", x).set("y", y).set("class", class)
}

fn centre(side: Side) -> f64 {
    match side {
        Side::Callback => BOX.0 / 2.0,
        Side::Errback => BOX.0 * 1.5 + BETWEEN_SIDES,
    }
}

fn stage_top(stage: usize) -> f64 {
    FIRST_STAGE + stage as f64 * (BOX.1 + ARROW)
}

fn class(side: Side) -> &'static str {
    match side {
        Side::Callback => "value",
        Side::Errback => "failure",
    }
}

fn value_class(value: &str) -> &'static str {
    match value.ends_with('*') {
        true => "failure",
        false => "value",
    }
}
