//! What is made when it is first asked for.

#[path = "../../../src/face/made.rs"]
pub mod made;
