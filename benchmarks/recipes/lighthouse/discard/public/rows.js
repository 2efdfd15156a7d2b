const rows = [1, 2, 3]; // three rows, as the page shows them
