//! Memory for chunks, whose sizes are claims.

/// A zeroed buffer, or an error where there is no memory for it.
pub fn zeroed(len: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    out.try_reserve_exact(len).map_err(|_| format!("no memory for a chunk of {len} bytes"))?;
    out.resize(len, 0);
    Ok(out)
}
