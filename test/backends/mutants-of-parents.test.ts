import { isOfParents, testMutants } from "./test-mutants.ts";

testMutants(isOfParents);
