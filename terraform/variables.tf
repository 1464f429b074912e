# Handed on to modules/tinderbox, which describes and checks them. Null means the default of the module.

variable "region" {
  description = "The region of AWS. From AWS_REGION or the profile when it is null."
  type        = string
  default     = null
}

variable "name" {
  description = "Begins the names of all that is made. Two deployments in one account need different ones."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of all that is made, also of the runners."
  type        = map(string)
  default     = null
}

variable "vpc_id" {
  description = "An existing VPC to use, with subnet_ids. A VPC is made when it is null."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Subnets of vpc_id in which runners are launched; one in each zone is best. Only with vpc_id."
  type        = list(string)
  default     = null
}

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made. Each zone gets a sixteenth of them."
  type        = string
  default     = null
}

variable "zones" {
  description = "In how many availability zones subnets are made. More zones find more capacity, above all of spot."
  type        = number
  default     = null
}

variable "internet" {
  description = "How runners reach the internet: \"public\" gives each a public address (nothing comes in), \"nat\" sends them through one NAT gateway, \"none\" leaves them S3 and the parent only. In an existing VPC its routes decide, and this only whether port 443 is open to the outside."
  type        = string
  default     = null
}

variable "s3_route_table_ids" {
  description = "Route tables of an existing VPC that get a gateway endpoint to S3. Leave it out where there is one already."
  type        = list(string)
  default     = null
}

variable "dial" {
  description = "Who connects: \"runner\" (they dial the parent) or \"parent\" (it dials them; for a parent that cannot be reached)."
  type        = string
  default     = null
}

variable "ports" {
  description = "TCP ports between runners and parent, open on the side that is dialled. When it is null those that ec2() uses unless told otherwise: 32768 to 60999, from which Linux gives a parent one, or 7117 with dial = \"parent\". One is enough for one parent process on a machine."
  type        = object({ from = number, to = number })
  default     = null
}

variable "parent_cidrs" {
  description = "Addresses of parents that are not in the security group of parents: in another VPC, behind a VPN."
  type        = list(string)
  default     = null
}

variable "parent_role" {
  description = "Makes a role and an instance profile for a parent that runs on EC2, with the policy of parents and access by Systems Manager."
  type        = bool
  default     = null
}

variable "runner_egress" {
  description = "What else runners may connect to, by a name of yours, such as { database = { cidr = \"10.0.0.0/16\", from = 5432, to = 5432 } }."
  type        = map(object({ cidr = string, from = number, to = number, protocol = optional(string, "tcp") }))
  default     = null
}

variable "runner_policy_arns" {
  description = "Policies that the role of runners gets besides its own: what your code may do on AWS. It has them only where it may use the metadata service."
  type        = list(string)
  default     = null
}

variable "runner_store_access" {
  description = "Whether the role of runners may use the store in the bucket (below store_prefix). Releases it can read in any case."
  type        = bool
  default     = null
}

variable "architecture" {
  description = "Of the runners, as Node names it: \"x64\" or \"arm64\". The instance types that a pool asks for have to be of it."
  type        = string
  default     = null
}

variable "image_id" {
  description = "The image that runners boot: a Linux with glibc, systemd, cloud-init and Python 3. The newest minimal Amazon Linux 2023 when it is null."
  type        = string
  default     = null
}

variable "disk_gb" {
  description = "Size of a runner's disk in GB. It holds the system, the release, and what your code writes."
  type        = number
  default     = null
}

variable "bake_image" {
  description = "Makes an image of our own from image_id, with bake_layers in /var/cache/tinderbox/layers, from where a booting runner takes them. EC2 Image Builder takes about 20 minutes for it."
  type        = bool
  default     = null
}

variable "bake_layers" {
  description = "SHA-256 of the layers to bake, which have to be in the bucket already: those of Node and of the packages, or of a whole release. What a runner does not find in its image, or not as its release wants it, it fetches as ever."
  type        = list(string)
  default     = null
}

variable "bucket_name" {
  description = "Name of the bucket that is made. From name, account and region when it is null."
  type        = string
  default     = null
}

variable "bucket_force_destroy" {
  description = "Whether `terraform destroy` also removes what is in the bucket: releases, and all state of the store."
  type        = bool
  default     = null
}

variable "release_prefix" {
  description = "What all keys begin with that parents write: layers/ and releases/, and .tinderbox/ and requests/, by which they know of each other. It is release.prefix of ec2(), with a slash at its end."
  type        = string
  default     = null
}

variable "release_expiry_days" {
  description = "Removes layers and releases that were uploaded so many days ago, in use or not: a layer that does not change is uploaded once. Null keeps them all, which costs cents; docs/operate-ec2.md says how to remove old ones safely."
  type        = number
  default     = null
}

variable "store_prefix" {
  description = "Where the store is in the bucket, with a slash at its end: openStore(\"s3://<bucket>/store\")."
  type        = string
  default     = null
}

variable "spot_service_linked_role" {
  description = "Makes the account's role AWSServiceRoleForEC2Spot, without which spot is refused. Only for an account that has never used spot; where the role is there, making it fails."
  type        = bool
  default     = null
}
