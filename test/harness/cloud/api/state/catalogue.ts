/** What there is to launch from: types, images, subnets, groups. All of it may be replaced by a test. */

export interface InstanceType {
  readonly vcpus: number;
  readonly memoryMb: number;
  /** As EC2 names it: `x86_64` or `arm64`. */
  readonly architecture: string;
  /** On-demand price of an hour, in US dollars. */
  readonly price: number;
}

export interface Image {
  readonly name: string;
  readonly architecture: string;
  readonly rootDevice: string;
  /** When it was made, as EC2 writes it. */
  readonly created: string;
}

export interface Subnet {
  readonly zone: string;
  /** Range of addresses, `10.0.0.0/24`. */
  readonly cidr: string;
}

const x86 = (vcpus: number, memoryMb: number, price: number): InstanceType => ({
  vcpus,
  memoryMb,
  architecture: "x86_64",
  price,
});
const arm = (vcpus: number, memoryMb: number, price: number): InstanceType => ({
  ...x86(vcpus, memoryMb, price),
  architecture: "arm64",
});

export const defaultTypes: Readonly<Record<string, InstanceType>> = {
  "m1.small": x86(1, 1740, 0.044),
  "t3.micro": x86(2, 1024, 0.0104),
  "t3.large": x86(2, 8192, 0.0832),
  "m5.large": x86(2, 8192, 0.096),
  "m5.xlarge": x86(4, 16_384, 0.192),
  "m6i.large": x86(2, 8192, 0.096),
  "c5.large": x86(2, 4096, 0.085),
  "c5.xlarge": x86(4, 8192, 0.17),
  "c6i.large": x86(2, 4096, 0.085),
  "c6i.4xlarge": x86(16, 32_768, 0.68),
  "m7g.large": arm(2, 8192, 0.0816),
  "c7g.large": arm(2, 4096, 0.0725),
  "c7g.xlarge": arm(4, 8192, 0.145),
};

export const defaultImages: Readonly<Record<string, Image>> = {
  "ami-0123456789abcdef0": {
    name: "al2023-x86_64",
    architecture: "x86_64",
    rootDevice: "/dev/xvda",
    created: "2025-01-15T10:00:00.000Z",
  },
  "ami-0fedcba9876543210": {
    name: "al2023-arm64",
    architecture: "arm64",
    rootDevice: "/dev/xvda",
    created: "2025-01-15T10:00:00.000Z",
  },
};

/** One subnet for each of three zones. */
export function defaultSubnets(region: string): Readonly<Record<string, Subnet>> {
  return {
    "subnet-0000000000000000a": { zone: `${region}a`, cidr: "10.0.0.0/20" },
    "subnet-0000000000000000b": { zone: `${region}b`, cidr: "10.0.16.0/20" },
    "subnet-0000000000000000c": { zone: `${region}c`, cidr: "10.0.32.0/20" },
  };
}

/** Id to name. The first is the default group of the VPC. */
export const defaultGroups: Readonly<Record<string, string>> = {
  "sg-00000000000000000": "default",
  "sg-00000000000000001": "runners",
};

export const vpcId = "vpc-00000000000000000";
