//! Work that takes its time: results are inputs of later ticks, bounded, cancelled, lost with a restore, and the same for whoever repeats them.

use std::task::{Context, Poll, Waker};

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_sim::prelude::*;
use tickwire_sim::{GameError, GameKind, NewTask, SimOptions, Simulation, TASKS_MAX, TaskResult};

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Found {
    number: u32,
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Long {
    #[net(max = 4)]
    text: String,
}

/// What was heard, in order.
#[derive(Resource, Default)]
struct Heard(Vec<(TaskId, Result<u32, TaskFailed>)>);

/// How many tasks to start in the next tick.
#[derive(Resource, Default)]
struct Wanted(u32);

fn start(mut wanted: ResMut<Wanted>, mut tasks: ResMut<Tasks>) {
    for number in 0..std::mem::take(&mut wanted.0) {
        tasks.spawn(async move { Found { number } });
    }
}

fn found(In(done): In<Done<Found>>, mut heard: ResMut<Heard>) {
    let number = done.result.map(|found| found.number);
    heard.0.push((done.task, number));
}

fn long(In(done): In<Done<Long>>, mut heard: ResMut<Heard>) {
    heard.0.push((done.task, done.result.map(|_| 0)));
}

fn game(game: &mut Game) {
    game.on_start(|mut commands: Commands| {
        commands.init_resource::<Heard>();
        commands.init_resource::<Wanted>();
    });
    game.on_done(found).on_done(long).systems(start);
}

fn room() -> Simulation {
    Simulation::new(&GameKind::new("tasks", game), SimOptions::default())
}

fn begin(room: &mut Simulation, count: u32) -> Vec<NewTask> {
    room.world_mut().resource_mut::<Wanted>().0 = count;
    room.step();
    room.take_tasks().0
}

fn result(task: &mut NewTask) -> TaskResult {
    let polled = task
        .future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits for nothing"),
    }
}

fn heard(room: &Simulation) -> &[(TaskId, Result<u32, TaskFailed>)] {
    &room.world().resource::<Heard>().0
}

#[test]
fn a_result_is_an_input_of_the_next_tick() {
    let mut room = room();
    let mut tasks = begin(&mut room, 3);
    assert_eq!(tasks.len(), 3);
    room.step();
    assert!(heard(&room).is_empty() && !room.has_input());
    // In the order in which they come, whatever they were begun in.
    for task in tasks.iter_mut().rev() {
        let done = result(task);
        room.task_done(task.id, done);
    }
    assert!(room.has_input());
    assert!(heard(&room).is_empty());
    room.step();
    let expected = [(TaskId(3), Ok(2)), (TaskId(2), Ok(1)), (TaskId(1), Ok(0))];
    assert_eq!(heard(&room), expected);
    // Twice, late or of nobody: ignored.
    room.task_done(TaskId(1), Err(TaskFailed::Panicked));
    room.task_done(TaskId(99), Err(TaskFailed::Panicked));
    assert!(!room.has_input());
}

#[test]
fn failures_are_typed() {
    let mut room = room();
    let tasks = begin(&mut room, 1);
    room.task_done(tasks[0].id, Err(TaskFailed::Panicked));
    let mut tasks = room.world_mut().resource_mut::<Tasks>();
    tasks.spawn(async {
        Long {
            text: "longer".into(),
        }
    });
    let (mut new, _) = room.take_tasks();
    let done = result(&mut new[0]);
    assert_eq!(done, Err(TaskFailed::Unfit));
    room.task_done(new[0].id, done);
    room.step();
    let expected = [
        (TaskId(1), Err(TaskFailed::Panicked)),
        (TaskId(2), Err(TaskFailed::Unfit)),
    ];
    assert_eq!(heard(&room), expected);
}

#[test]
fn so_many_run_at_once_and_one_more_is_told_in_the_next_tick() {
    let mut room = room();
    let tasks = begin(&mut room, TASKS_MAX as u32 + 2);
    assert_eq!(tasks.len(), TASKS_MAX);
    assert!(room.has_input(), "a room on demand is stepped for it");
    room.step();
    let last = TASKS_MAX as u32;
    let expected = [
        (TaskId(last + 1), Err(TaskFailed::TooMany)),
        (TaskId(last + 2), Err(TaskFailed::TooMany)),
    ];
    assert_eq!(heard(&room), expected);
    assert_eq!(room.world().resource::<Tasks>().running(), TASKS_MAX);
}

#[test]
fn a_cancelled_task_tells_nothing() {
    let mut room = room();
    let mut tasks = begin(&mut room, 2);
    room.world_mut().resource_mut::<Tasks>().cancel(TaskId(1));
    let (new, cancelled) = room.take_tasks();
    assert_eq!((new.len(), cancelled.as_slice()), (0, &[TaskId(1)][..]));
    for task in &mut tasks {
        let done = result(task);
        room.task_done(task.id, done);
    }
    room.step();
    assert_eq!(heard(&room), [(TaskId(2), Ok(1))]);
    // One that was not handed out yet is never begun.
    let mut tasks = room.world_mut().resource_mut::<Tasks>();
    let task = tasks.spawn(async { Found { number: 0 } });
    tasks.cancel(task);
    assert!(room.started_no_tasks());
}

#[test]
fn a_capture_keeps_results_that_wait_and_a_restored_room_hears_what_is_lost() {
    let mut first = room();
    let mut tasks = begin(&mut first, 3);
    let done = result(&mut tasks[1]);
    first.task_done(TaskId(2), done);
    let exact = first.capture_exact();
    let mut second = room();
    second.restore(&exact).unwrap();
    second.step();
    let expected = [
        (TaskId(2), Ok(1)),
        (TaskId(1), Err(TaskFailed::Lost)),
        (TaskId(3), Err(TaskFailed::Lost)),
    ];
    assert_eq!(heard(&second), expected);
    let next = begin(&mut second, 1);
    assert_eq!(next[0].id, TaskId(4), "numbers are not used again");
    // Where nothing runs, restored and gone on is the same room.
    for task in tasks.iter_mut().filter(|task| task.id != TaskId(2)) {
        let done = result(task);
        first.task_done(task.id, done);
    }
    first.step();
    let mut third = room();
    third.restore(&first.capture_exact()).unwrap();
    assert_eq!(first.capture_exact(), third.capture_exact());
}

#[test]
fn one_system_hears_one_kind_of_result() {
    let twice = GameKind::try_new("twice", |book: &mut Game| {
        book.on_done(found).on_done(found);
    });
    let error: GameError = twice.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a system for the result Found is registered twice: keep one"
    );
    // And a result that none hears is counted.
    let kind = GameKind::new("deaf", |_: &mut Game| {});
    let mut room = Simulation::new(&kind, SimOptions::default());
    let mut tasks = room.world_mut().resource_mut::<Tasks>();
    tasks.spawn(async { Found { number: 1 } });
    let (mut new, _) = room.take_tasks();
    let done = result(&mut new[0]);
    room.task_done(new[0].id, done);
    room.step();
    assert_eq!(room.drops().results, 1);
}
