"""Pure transforms: DataFrame in, DataFrame out. No reading, no writing, no session, no clock of their own."""
