//! That each stage gives as many bytes as there were before it was applied.

/// An error unless a stage gave all that was expected.
pub fn expect_len(got: usize, out: &[u8]) -> Result<(), String> {
    if got == out.len() {
        Ok(())
    } else {
        Err(format!("the chunk decodes to {got} bytes, {} expected", out.len()))
    }
}
