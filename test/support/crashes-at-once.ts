/** Stands in for a worker whose settings are wrong, without the seconds that a real one needs to find out. */
process.exit(2);
