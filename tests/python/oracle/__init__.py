"""What is right: anndata's own results, the differences meant from them, strict equality, one comparison."""
