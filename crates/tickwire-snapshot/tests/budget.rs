//! The law of allocation, measured: what the check accepts within a budget allocates at most that when serde decodes it.

#![allow(unsafe_code)] // an allocator that counts can be written in no other way

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tickwire_derive::Shaped;
use tickwire_snapshot::shape::Shaped;

struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    // A thread that is ending has no counter any more, and nobody who asks.
    let _ = ALLOCATED.try_with(|allocated| allocated.set(allocated.get() + bytes));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local cell that is const and never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the pointer came from `System` with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocated<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.get();
    let done = work();
    (done, ALLOCATED.get() - before)
}

/// The least budget with which the check accepts the bytes.
fn least_budget<T: Shaped>(bytes: &[u8]) -> Option<usize> {
    let shape = T::shape();
    let (mut refused, mut accepted) = (0, 1 << 30);
    if shape.check(bytes, 0).is_ok() {
        return Some(0);
    }
    shape.check(bytes, accepted).ok()?;
    while accepted - refused > 1 {
        let middle = (accepted + refused) / 2;
        match shape.check(bytes, middle) {
            Ok(()) => accepted = middle,
            Err(_) => refused = middle,
        }
    }
    Some(accepted)
}

/// Whether decoding stays within the least budget that was enough, and whether the check itself allocates nothing.
fn keeps_the_law<T: Shaped + DeserializeOwned>(bytes: &[u8]) {
    let shape = T::shape();
    let (accepted, checking) = allocated(|| shape.check(bytes, usize::MAX).is_ok());
    if accepted {
        assert_eq!(checking, 0, "the check allocates");
    }
    if let Some(budget) = least_budget::<T>(bytes) {
        let (decoded, spent) = allocated(|| postcard::from_bytes::<T>(bytes));
        assert!(decoded.is_ok());
        assert!(
            spent <= budget,
            "{} bytes allocated with a budget of {budget}: {}",
            spent,
            std::any::type_name::<T>()
        );
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, Shaped)]
enum Part {
    Empty,
    Small(u8, u64, u8),
    Named {
        text: String,
        more: Option<Box<Part2>>,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize, Shaped)]
struct Part2 {
    a: u8,
    b: f64,
    c: [u16; 5],
    d: Vec<(u8, u32)>,
    e: bool,
}

type Maps = BTreeMap<u16, BTreeMap<String, (u8, u64)>>;

fn part() -> impl Strategy<Value = Part> {
    let part2 = (any::<(u8, f64, [u16; 5], bool)>(), any::<Vec<(u8, u32)>>())
        .prop_map(|((a, b, c, e), d)| Part2 { a, b, c, d, e });
    prop_oneof![
        Just(Part::Empty),
        any::<(u8, u64, u8)>().prop_map(|(a, b, c)| Part::Small(a, b, c)),
        (".{0,20}", prop::option::of(part2.prop_map(Box::new)))
            .prop_map(|(text, more)| Part::Named { text, more }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_keeps_the_budget(parts in prop::collection::vec(part(), 0..20)) {
        keeps_the_law::<Vec<Part>>(&postcard::to_allocvec(&parts).unwrap());
    }

    #[test]
    fn maps_keep_the_budget(
        small in prop::collection::btree_map(any::<u8>(), any::<u8>(), 0..200),
        maps in prop::collection::btree_map(any::<u16>(), prop::collection::btree_map(".{0,3}", any::<(u8, u64)>(), 0..30), 0..20),
    ) {
        keeps_the_law::<BTreeMap<u8, u8>>(&postcard::to_allocvec(&small).unwrap());
        keeps_the_law::<Maps>(&postcard::to_allocvec(&maps).unwrap());
    }

    #[test]
    fn keys_in_any_order_keep_the_budget(pairs in prop::collection::vec(any::<(u8, u8)>(), 0..200)) {
        keeps_the_law::<BTreeMap<u8, u8>>(&postcard::to_allocvec(&pairs).unwrap());
    }

    #[test]
    fn hostile_bytes_keep_the_budget(bytes in prop::collection::vec(prop_oneof![0_u8..6, any::<u8>()], 0..60)) {
        keeps_the_law::<Vec<Part>>(&bytes);
        keeps_the_law::<Maps>(&bytes);
        keeps_the_law::<Vec<Option<Vec<String>>>>(&bytes);
        keeps_the_law::<Vec<()>>(&bytes);
        keeps_the_law::<(Vec<u8>, Box<[Option<u64>; 3]>)>(&bytes);
    }

    /// Where the bound has little to give: one list or map of items that have nothing of their own on the heap.
    #[test]
    fn tight_types_keep_the_budget(
        options in prop::collection::vec(any::<Option<u64>>(), 1..50),
        rows in prop::collection::vec(any::<(u8, u64, u8)>(), 1..50),
        smalls in prop::collection::vec(any::<(u8, u32)>().prop_map(|(a, b)| Part::Small(a, b.into(), a)), 1..50),
        wide in prop::collection::btree_map(any::<u8>(), any::<[u64; 16]>(), 1..50),
        boxes in prop::collection::vec(any::<[u16; 5]>().prop_map(Box::new), 1..50),
    ) {
        keeps_the_law::<Vec<Option<u64>>>(&postcard::to_allocvec(&options).unwrap());
        keeps_the_law::<Vec<(u8, u64, u8)>>(&postcard::to_allocvec(&rows).unwrap());
        keeps_the_law::<Vec<Part>>(&postcard::to_allocvec(&smalls).unwrap());
        keeps_the_law::<BTreeMap<u8, [u64; 16]>>(&postcard::to_allocvec(&wide).unwrap());
        keeps_the_law::<Vec<Box<[u16; 5]>>>(&postcard::to_allocvec(&boxes).unwrap());
    }
}
