//! One seat of one room, run ahead: which command is for which tick, what was said of it, and what is shown in between. Sliding is `slide`'s matter.

use std::collections::VecDeque;
use std::sync::Arc;

use tickwire_client::{
    Correction, Foreseen, Foresight, ForesightFigures, OwnSeen, View, blend_values, teleports,
};
use tickwire_proto::{Tick, Time};
use tickwire_sim::{GameKind, Mirror, MirrorStats, OwnTruth, PREDICTED_TICKS_MAX, Truth, Verdict};
use tickwire_snapshot::{Area, Lerp, OwnedRow, RecordSchema, TickEvent, Value};

use crate::slide::Slides;

/// Commands that are kept, to be given again where the world has to begin anew.
const COMMANDS_MAX: usize = 2 * PREDICTED_TICKS_MAX as usize;

/// Corrections that wait to be asked for: those of one truth are few, and who never asks keeps no more.
const CORRECTIONS_MAX: usize = 64;

/// The values of one component, field by field.
type Values = Vec<Value>;

/// Somebody at the end of a tick.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pose {
    pub id: u64,
    pub mine: bool,
    pub place: Option<(tickwire_snapshot::AreaId, tickwire_snapshot::NetId)>,
    pub rows: Vec<(usize, Values)>,
}

/// Runs a game ahead for one seat: see the [crate's documentation](crate).
///
/// What it is told it takes in at once: after [`truth`](Foresight::truth) its world is that of the newest command again.
pub struct Predictor {
    mirror: Mirror,
    /// What was said of each tick, and what was asked for in it.
    said: VecDeque<(Tick, Option<u16>, OwnedRow)>,
    /// Everybody at the end of the last two ticks.
    before: Vec<Pose>,
    now: Vec<Pose>,
    slides: Slides,
    correction: f64,
    events: VecDeque<TickEvent>,
    corrections: VecDeque<Correction>,
}

impl Predictor {
    /// For a seat of a room of this kind.
    #[must_use]
    pub fn new(kind: &GameKind, seat: u16) -> Self {
        Self {
            mirror: Mirror::new(kind, seat),
            said: VecDeque::new(),
            before: Vec::new(),
            now: Vec::new(),
            slides: Slides::default(),
            correction: 0.0,
            events: VecDeque::new(),
            corrections: VecDeque::new(),
        }
    }

    /// The world that runs ahead.
    #[must_use]
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// What predicting did so far.
    #[must_use]
    pub fn stats(&self) -> &MirrorStats {
        self.mirror.stats()
    }

    /// Steps up to a tick: with the commands that were given for the ticks before it, and where there was none, without.
    fn step_to(&mut self, tick: Tick) -> Option<u16> {
        let mut said = None;
        while self.mirror.tick() < tick && !self.mirror.must_wait() {
            let next = self.mirror.tick().next();
            let at = self.said.binary_search_by_key(&next, |(tick, ..)| *tick);
            let row = at.ok().map(|at| &self.said[at].2);
            let number = self.mirror.step(row);
            if let Ok(at) = at {
                // What was said is what the server answers: stepping again does not change it.
                self.said[at].1.get_or_insert(number);
            }
            said = (next == tick).then_some(number);
            self.events.extend(self.mirror.take_events());
            std::mem::swap(&mut self.before, &mut self.now);
            self.now = poses(&self.mirror);
        }
        said
    }

    /// What is predicted was set right: it slides from where it was shown, and nobody sees it jump.
    fn corrected(&mut self, was: &[Pose]) {
        self.now = poses(&self.mirror);
        let schema = self.mirror.fine().clone();
        let pair = (was, &self.now[..]);
        let (correction, moved) = self.slides.corrected(&schema, pair, &mut self.before);
        if moved {
            self.correction = correction;
        }
    }

    /// What of those who are there before and after is another, component by component.
    fn note_corrections(&mut self, was: &[Pose]) {
        let tick = self.mirror.tick();
        for pose in &self.now {
            let Some(was) = was.iter().find(|was| was.id == pose.id) else {
                continue;
            };
            for (component, to) in &pose.rows {
                let from = row_of(&was.rows, *component);
                let Some(from) = from.filter(|from| *from != to) else {
                    continue;
                };
                if self.corrections.len() == CORRECTIONS_MAX {
                    self.corrections.pop_front();
                }
                self.corrections.push_back(Correction {
                    id: pose.id,
                    mine: pose.mine,
                    tick,
                    component: *component,
                    from: from.clone(),
                    to: to.clone(),
                });
            }
        }
    }

    fn note_members(&mut self, view: &View) {
        for member in view.members() {
            self.mirror.seat_player(member.seat, &member.name);
        }
    }
}

impl Foresight for Predictor {
    fn truth(&mut self, view: &View, _: Time) {
        let Some((tick, own)) = view.own() else {
            return;
        };
        if self.mirror.truth_tick().is_none() {
            self.note_members(view);
        }
        let said = self.said.binary_search_by_key(&tick, |(tick, ..)| *tick);
        let own = match own {
            OwnSeen::Rows { number, rows } => OwnTruth::Told { number, rows },
            OwnSeen::AsSaid => match said.ok().and_then(|at| self.said[at].1) {
                Some(number) => OwnTruth::AsSaid(number),
                None => OwnTruth::Untold,
            },
            OwnSeen::Untold => OwnTruth::Untold,
        };
        if own == OwnTruth::Untold && self.mirror.truth_tick().is_none() {
            return; // what the seat owns comes after the first command
        }
        let areas: Vec<Arc<Area>> = view.newest_areas().cloned().collect();
        let goal = self.mirror.tick();
        let verdict = self.mirror.truth(&Truth {
            tick,
            areas: &areas,
            own,
        });
        self.events.extend(self.mirror.take_events());
        if let Verdict::Corrected { .. } = verdict {
            let was = std::mem::take(&mut self.now);
            self.step_to(goal); // where the truth was ahead of what is known, or the first
            self.corrected(&was);
            // A world that is at another tick now was not set right but moved on.
            if self.mirror.tick() == goal {
                self.note_corrections(&was);
            }
        }
    }

    fn command(&mut self, _: &View, tick: Tick, row: &OwnedRow) -> Option<u16> {
        // Those of a clock that had leapt were for ticks that nobody has stepped.
        let here = self.mirror.tick();
        let is_far = |(last, ..): &mut (Tick, Option<u16>, OwnedRow)| *last >= tick && *last > here;
        while self.said.pop_back_if(is_far).is_some() {}
        if self.said.back().is_some_and(|(last, ..)| *last >= tick) {
            return None; // the clock of commands began anew, and was here before
        }
        if self.said.len() == COMMANDS_MAX {
            self.said.pop_front();
        }
        self.said.push_back((tick, None, row.clone()));
        if self.mirror.truth_tick().is_none() {
            return Some(0); // of nothing: the answer is where it begins
        }
        let said = self.step_to(tick);
        if let Some((_, last, _)) = self.said.back_mut() {
            *last = said;
        }
        said
    }

    fn draw(&mut self, now: Time, ahead: f64) -> Vec<Foreseen> {
        let part = (ahead - f64::from(self.mirror.tick().0)).clamp(0.0, 1.0);
        let schema = self.mirror.fine();
        self.slides.fade(now);
        let shown = self.now.iter().map(|pose| {
            let before = self.before.iter().find(|before| before.id == pose.id);
            let mut rows = pose.rows.clone();
            for (component, values) in &mut rows {
                let earlier = before.and_then(|before| row_of(&before.rows, *component));
                if let Some(earlier) = earlier {
                    come_from(&schema.components[*component], earlier, values, part);
                }
            }
            let offset = self.slides.apply(pose.id, &mut rows);
            Foreseen {
                id: pose.id,
                mine: pose.mine,
                place: pose.place,
                rows,
                offset,
            }
        });
        shown.collect()
    }

    fn event_due(&mut self) -> Option<TickEvent> {
        self.events.pop_front()
    }

    fn correction_due(&mut self) -> Option<Correction> {
        self.corrections.pop_front()
    }

    fn was_shown(&mut self, event: &TickEvent) -> bool {
        self.mirror.was_shown(event)
    }

    fn figures(&self) -> ForesightFigures {
        let stats = self.mirror.stats();
        let truth = self.mirror.truth_tick().unwrap_or_default();
        ForesightFigures {
            ahead: self.mirror.tick().since(truth),
            rollbacks: stats.rollbacks,
            mispredictions: stats.mispredictions,
            seen: stats.seen,
            replayed: stats.replayed,
            truths: stats.truths,
            correction: self.correction,
        }
    }

    fn causes(&self) -> &[(String, u64)] {
        &self.mirror.stats().causes
    }
}

/// Sets a component to what is shown of it: `part` of the way from the tick before. What teleports is where it is, as what does not slide.
fn come_from(record: &RecordSchema, earlier: &Values, values: &mut Values, part: f64) {
    let from = |at: usize| earlier.get(at).cloned();
    if teleports(record, from, |at| values.get(at).cloned()) {
        return;
    }
    let fields = record.fields.iter().zip(earlier).zip(values);
    for ((field, from), value) in fields {
        *value = blend(field.lerp, from.clone(), value.clone(), part);
    }
}

/// The newest value at once where it does not slide: what one asks for is shown in the tick that one asks for it.
fn blend(lerp: Lerp, from: Value, to: Value, part: f64) -> Value {
    match lerp {
        Lerp::Step => to,
        _ => blend_values(lerp, from, to, part),
    }
}

pub(crate) fn row_of(rows: &[(usize, Values)], component: usize) -> Option<&Values> {
    let at = rows.binary_search_by_key(&component, |(of, _)| *of);
    Some(&rows[at.ok()?].1)
}

/// Everybody who is predicted, as they are.
fn poses(mirror: &Mirror) -> Vec<Pose> {
    let schema = mirror.fine();
    let shown = mirror.shown().map(|it| {
        let tables = 0..schema.components.len();
        let rows = tables.filter_map(|table| {
            let row = mirror.row(it.track, table)?;
            let record = &schema.components[table];
            let row = row.row(record);
            let fields = record.fields.iter().enumerate();
            let values = fields.map(|(index, field)| {
                let place = row.field(index);
                field.value(place.ints, place.blob.unwrap_or_default())
            });
            Some((table, values.collect()))
        });
        Pose {
            id: it.id,
            mine: it.own,
            place: it.name,
            rows: rows.collect(),
        }
    });
    shown.collect()
}

impl std::fmt::Debug for Predictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Predictor")
            .field("mirror", &self.mirror)
            .field("shown", &self.now.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tickwire_snapshot::{FieldSchema, Quant, Schema};

    use super::*;

    #[test]
    fn what_teleports_from_tick_to_tick_is_where_it_is() {
        let range = Quant::Range {
            min: 0.0,
            max: 100.0,
            step: 0.5,
        };
        let fields = vec![
            FieldSchema::new("turn", Quant::Angle { bits: 10 }),
            FieldSchema::new("x", range).with_teleport(8.0),
        ];
        let mut schema = Schema::new("dots", 33_333);
        schema.components = vec![RecordSchema::new("Dot", fields)];
        schema.seal().expect("a schema");
        let shown = |x: f64| {
            let mut values = vec![Value::Number(1.0), Value::Number(x)];
            let earlier = vec![Value::Number(0.0), Value::Number(10.0)];
            come_from(&schema.components[0], &earlier, &mut values, 0.5);
            values
        };
        assert_eq!(shown(18.0), [0.5, 14.0].map(Value::Number));
        assert_eq!(shown(18.5), [1.0, 18.5].map(Value::Number));
    }
}
