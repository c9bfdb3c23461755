//! A world to look at: for tests of views and for pictures. One machine with an instance in each state, the first
//! with all its parts filled.
