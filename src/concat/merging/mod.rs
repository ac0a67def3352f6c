//! What is not concatenated but merged: the elements of the other axis, and `uns`.
//!
//! Owns the strategies and anndata's `equal`. Decides which input's value stands for all. Knows
//! nothing of the concatenated axis; gives its result through [`Planner`](super::planner::Planner).

mod as_array;
mod equal;
mod other_axis;
mod strategy;
mod uns;
