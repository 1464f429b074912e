import { isOfParents, isOfPools, testMutants } from "./test-mutants.ts";

testMutants((name) => !isOfParents(name) && !isOfPools(name));
