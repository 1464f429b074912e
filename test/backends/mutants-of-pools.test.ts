import { isOfPools, testMutants } from "./test-mutants.ts";

testMutants(isOfPools);
