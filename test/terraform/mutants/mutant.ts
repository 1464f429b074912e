/** A change for the worse of one file of the module: `from` becomes `to`, and terraform says why it is refused. */
export type Mutant = readonly [name: string, file: string, from: string, to: string, says: RegExp];

/** One that only a test of the module can know to be bad; the file of that test is named in front. */
export type PlannedMutant = readonly [tests: string, ...Mutant];
