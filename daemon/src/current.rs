//! A value that is replaced as a whole while others use it.

use std::sync::Arc;

use tokio::sync::watch;

/// The value as it is now. Clones see the same. Whoever takes it keeps what they took, whatever comes after.
#[derive(Debug)]
pub struct Current<T>(watch::Receiver<Arc<T>>);

/// Replaces the value that its [`Current`]s see.
#[derive(Debug)]
pub struct Next<T>(watch::Sender<Arc<T>>);

impl<T> Current<T> {
    /// `first`, and what replaces it.
    pub fn new(first: Arc<T>) -> (Next<T>, Self) {
        let (next, current) = watch::channel(first);
        (Next(next), Self(current))
    }

    /// The value now. Never waits for whoever replaces it for longer than a pointer takes to be written.
    pub fn take(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }
}

impl<T> Next<T> {
    /// Puts `value` in its place.
    pub fn put(&self, value: Arc<T>) {
        self.0.send_replace(value);
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// One that nobody will replace.
impl<T> From<Arc<T>> for Current<T> {
    fn from(value: Arc<T>) -> Self {
        Self::new(value).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_took_a_value_keeps_it_and_who_comes_later_takes_the_next() {
        let (next, current) = Current::new(Arc::new("old"));
        let (other, kept) = (current.clone(), current.take());
        next.put(Arc::new("new"));
        assert_eq!((*kept, *other.take(), *current.take()), ("old", "new", "new"));
        drop(next);
        assert_eq!(*current.take(), "new", "the last one stays");
    }
}
