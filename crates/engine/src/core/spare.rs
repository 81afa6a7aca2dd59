//! Boxes that are used again: a request that is answered in place allocates nothing for its future and its body.

use std::cell::RefCell;
use std::pin::Pin;

/// Boxes of each kind that a core keeps.
const KEPT_MAX: usize = 16;

/// Boxes for handlers' futures and for response bodies.
pub(crate) struct Spares<F, B> {
    pub(crate) futures: Boxes<F>,
    pub(crate) bodies: Boxes<B>,
}

impl<F, B> Default for Spares<F, B> {
    fn default() -> Self {
        Spares {
            futures: Boxes::default(),
            bodies: Boxes::default(),
        }
    }
}

/// Empty boxes for values of one type.
pub(crate) struct Boxes<T>(RefCell<Vec<Pin<Box<Option<T>>>>>);

impl<T> Default for Boxes<T> {
    fn default() -> Self {
        Boxes(RefCell::default())
    }
}

impl<T> Boxes<T> {
    /// Puts a value into a box.
    pub(crate) fn put(&self, value: T) -> Pin<Box<Option<T>>> {
        let spare = self.0.borrow_mut().pop();
        match spare {
            Some(mut spare) => {
                spare.set(Some(value));
                spare
            }
            None => Box::pin(Some(value)),
        }
    }

    /// Drops the value and keeps its box.
    pub(crate) fn keep(&self, mut boxed: Pin<Box<Option<T>>>) {
        // Foreign code runs when the value is dropped, so no borrow is held.
        boxed.set(None);
        let mut spares = self.0.borrow_mut();
        if spares.len() < KEPT_MAX {
            spares.push(boxed);
        }
    }
}
