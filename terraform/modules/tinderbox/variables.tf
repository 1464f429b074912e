# All of them may be left out. A null means the default, so that a caller can pass its own optional variables on.

variable "name" {
  description = "Begins the names of all that is made. Two deployments in one account need different ones."
  type        = string
  default     = "tinderbox"
  nullable    = false
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "Cannot use this name: 2 to 31 lower-case letters, digits and dashes are wanted, a letter first."
  }
  validation {
    condition     = !can(regex("^sg(-|$)", var.name))
    error_message = "Cannot use this name: the names of security groups would begin with \"sg-\", which AWS keeps for their ids."
  }
}

variable "tags" {
  description = "Tags of all that is made, also of the runners."
  type        = map(string)
  default     = {}
  nullable    = false
  validation {
    condition     = alltrue([for key in keys(var.tags) : !can(regex("^(aws|tinderbox):", lower(key)))])
    error_message = "Cannot use these tags: keys that begin with \"aws:\" or \"tinderbox:\" are taken."
  }
}

variable "vpc_id" {
  description = "An existing VPC to use, with subnet_ids. A VPC is made when it is null."
  type        = string
  default     = null
  validation {
    condition     = var.vpc_id == null || can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "Cannot use this vpc_id: the id of a VPC begins with \"vpc-\"."
  }
}

variable "subnet_ids" {
  description = "Subnets of vpc_id in which runners are launched; one in each zone is best. Only with vpc_id."
  type        = list(string)
  default     = []
  nullable    = false
  validation {
    condition     = (var.vpc_id == null) == (length(var.subnet_ids) == 0)
    error_message = "Cannot use these subnet_ids: an existing VPC needs both, vpc_id and subnet_ids; a new one needs neither."
  }
  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "Cannot use these subnet_ids: the id of a subnet begins with \"subnet-\"."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made. Each zone gets a sixteenth of them."
  type        = string
  default     = "10.77.0.0/16"
  nullable    = false
  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 20, false)
    error_message = "Cannot use this vpc_cidr: an IPv4 range from /16 to /20 is wanted, such as 10.77.0.0/16."
  }
}

variable "zones" {
  description = "In how many availability zones subnets are made. More zones find more capacity, above all of spot."
  type        = number
  default     = 3
  nullable    = false
  validation {
    condition     = var.zones >= 1 && var.zones <= 6 && floor(var.zones) == var.zones
    error_message = "Cannot use this number of zones: a whole number from 1 to 6 is wanted."
  }
}

variable "internet" {
  description = "How runners reach the internet: \"public\" gives each a public address (nothing comes in), \"nat\" sends them through one NAT gateway, \"none\" leaves them S3 and the parent only. In an existing VPC its routes decide, and this only whether port 443 is open to the outside."
  type        = string
  default     = "public"
  nullable    = false
  validation {
    condition     = contains(["public", "nat", "none"], var.internet)
    error_message = "Cannot use this value of internet: \"public\", \"nat\" or \"none\" is wanted."
  }
}

variable "s3_route_table_ids" {
  description = "Route tables of an existing VPC that get a gateway endpoint to S3. Leave it out where there is one already."
  type        = list(string)
  default     = []
  nullable    = false
  validation {
    condition     = length(var.s3_route_table_ids) == 0 || var.vpc_id != null
    error_message = "Cannot use s3_route_table_ids without vpc_id: a VPC that is made gets its endpoint by itself."
  }
}

variable "dial" {
  description = "Who connects: \"runner\" (they dial the parent) or \"parent\" (it dials them; for a parent that cannot be reached)."
  type        = string
  default     = "runner"
  nullable    = false
  validation {
    condition     = contains(["runner", "parent"], var.dial)
    error_message = "Cannot use this value of dial: \"runner\" or \"parent\" is wanted."
  }
}

variable "ports" {
  description = "TCP ports between runners and parent, open on the side that is dialled. When it is null those that ec2() uses unless told otherwise: 32768 to 60999, from which Linux gives a parent one, or 7117 with dial = \"parent\". One is enough for one parent process on a machine."
  type        = object({ from = number, to = number })
  default     = null
  validation {
    condition     = var.ports == null ? true : var.ports.from >= 1024 && var.ports.to <= 65535 && var.ports.from <= var.ports.to
    error_message = "Cannot use these ports: from 1024 to 65535 is possible, and from must not be above to."
  }
}

variable "parent_cidrs" {
  description = "Addresses of parents that are not in the security group of parents: in another VPC, behind a VPN."
  type        = list(string)
  default     = []
  nullable    = false
  validation {
    condition     = alltrue([for cidr in var.parent_cidrs : can(cidrnetmask(cidr)) && !can(regex("/0$", cidr))])
    error_message = "Cannot use these parent_cidrs: IPv4 ranges are wanted, and not the whole internet."
  }
}

variable "parent_role" {
  description = "Makes a role and an instance profile for a parent that runs on EC2, with the policy of parents and access by Systems Manager."
  type        = bool
  default     = true
  nullable    = false
}

variable "runner_egress" {
  description = "What else runners may connect to, by a name of yours, such as { database = { cidr = \"10.0.0.0/16\", from = 5432, to = 5432 } }."
  type        = map(object({ cidr = string, from = number, to = number, protocol = optional(string, "tcp") }))
  default     = {}
  nullable    = false
  validation {
    condition     = alltrue([for rule in values(var.runner_egress) : can(cidrnetmask(rule.cidr)) && rule.from >= 0 && rule.from <= rule.to && rule.to <= 65535])
    error_message = "Cannot use this runner_egress: each needs an IPv4 range as cidr, and ports with from not above to."
  }
  validation {
    condition     = alltrue([for name in keys(var.runner_egress) : can(regex("^[A-Za-z0-9 ._-]{1,100}$", name))])
    error_message = "Cannot use this runner_egress: its names are descriptions of rules: letters, digits, blanks, dots and dashes."
  }
  validation {
    condition     = alltrue([for rule in values(var.runner_egress) : contains(["tcp", "udp"], rule.protocol)])
    error_message = "Cannot use this runner_egress: its protocol is \"tcp\" or \"udp\"."
  }
}

variable "runner_policy_arns" {
  description = "Policies that the role of runners gets besides its own: what your code may do on AWS. It has them only where it may use the metadata service."
  type        = list(string)
  default     = []
  nullable    = false
  validation {
    condition     = alltrue([for arn in var.runner_policy_arns : can(regex("^arn:aws[a-z-]*:iam::[^:]*:policy/", arn))])
    error_message = "Cannot use these runner_policy_arns: ARNs of IAM policies are wanted."
  }
}

variable "runner_store_access" {
  description = "Whether the role of runners may use the store in the bucket (below store_prefix). Releases it can read in any case."
  type        = bool
  default     = true
  nullable    = false
}

variable "architecture" {
  description = "Of the runners, as Node names it: \"x64\" or \"arm64\". The instance types that a pool asks for have to be of it."
  type        = string
  default     = "x64"
  nullable    = false
  validation {
    condition     = contains(["x64", "arm64"], var.architecture)
    error_message = "Cannot use this architecture: \"x64\" or \"arm64\" is wanted."
  }
}

variable "image_id" {
  description = "The image that runners boot: a Linux with glibc, systemd, cloud-init and Python 3. The newest minimal Amazon Linux 2023 when it is null."
  type        = string
  default     = null
  validation {
    condition     = var.image_id == null || can(regex("^ami-[0-9a-f]+$", var.image_id))
    error_message = "Cannot use this image_id: the id of an image begins with \"ami-\"."
  }
}

variable "disk_gb" {
  description = "Size of a runner's disk in GB. It holds the system, the release, and what your code writes."
  type        = number
  default     = 8
  nullable    = false
  validation {
    condition     = var.disk_gb >= 4 && var.disk_gb <= 16384 && floor(var.disk_gb) == var.disk_gb
    error_message = "Cannot use this disk_gb: a whole number from 4 to 16384 is wanted."
  }
}

variable "bake_image" {
  description = "Makes an image of our own from image_id, with bake_layers in /var/cache/tinderbox/layers, from where a booting runner takes them. EC2 Image Builder takes about 20 minutes for it."
  type        = bool
  default     = false
  nullable    = false
  validation {
    condition     = !var.bake_image || length(var.bake_layers) > 0
    error_message = "Cannot bake an image without layers: say in bake_layers which, as `tinderbox pack --json` names them."
  }
  validation {
    condition     = !var.bake_image || var.internet != "none"
    error_message = "Cannot bake an image without internet: Image Builder's machine has to reach Systems Manager."
  }
}

variable "bake_layers" {
  description = "SHA-256 of the layers to bake, which have to be in the bucket already: those of Node and of the packages, or of a whole release. What a runner does not find in its image, or not as its release wants it, it fetches as ever."
  type        = list(string)
  default     = []
  nullable    = false
  validation {
    condition     = alltrue([for layer in var.bake_layers : can(regex("^[0-9a-f]{64}$", layer))])
    error_message = "Cannot use these bake_layers: each is a SHA-256 in 64 lower-case hexadecimal digits."
  }
}

variable "bucket_name" {
  description = "Name of the bucket that is made. From name, account and region when it is null."
  type        = string
  default     = null
  validation {
    condition     = var.bucket_name == null || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_name))
    error_message = "Cannot use this bucket_name: 3 to 63 lower-case letters, digits and dashes are wanted (dots break TLS)."
  }
}

variable "bucket_force_destroy" {
  description = "Whether `terraform destroy` also removes what is in the bucket: releases, and all state of the store."
  type        = bool
  default     = false
  nullable    = false
}

variable "release_prefix" {
  description = "What all keys begin with that parents write: layers/ and releases/, and .tinderbox/ and requests/, by which they know of each other. It is release.prefix of ec2(), with a slash at its end."
  type        = string
  default     = "tinderbox/"
  nullable    = false
  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/$", var.release_prefix))
    error_message = "Cannot use this release_prefix: letters, digits, dots, dashes and slashes are possible, a slash at the end."
  }
}

variable "release_expiry_days" {
  description = "Removes layers and releases that were uploaded so many days ago, in use or not: a layer that does not change is uploaded once. Null keeps them all, which costs cents; docs/operate-ec2.md says how to remove old ones safely."
  type        = number
  default     = null
  validation {
    condition     = var.release_expiry_days == null ? true : var.release_expiry_days >= 30 && floor(var.release_expiry_days) == var.release_expiry_days
    error_message = "Cannot use this release_expiry_days: a whole number from 30 on is wanted, or null."
  }
}

variable "store_prefix" {
  description = "Where the store is in the bucket, with a slash at its end: openStore(\"s3://<bucket>/store\")."
  type        = string
  default     = "store/"
  nullable    = false
  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/$", var.store_prefix))
    error_message = "Cannot use this store_prefix: letters, digits, dots, dashes and slashes are possible, a slash at the end."
  }
  validation {
    condition     = !anytrue([for taken in ["layers/", "releases/", ".tinderbox/", "requests/"] : startswith("${var.release_prefix}${taken}", var.store_prefix) || startswith(var.store_prefix, "${var.release_prefix}${taken}")])
    error_message = "Cannot use this store_prefix: runners may write to the store, so what parents write must not be in it, nor it among that."
  }
}

variable "spot_service_linked_role" {
  description = "Makes the account's role AWSServiceRoleForEC2Spot, without which spot is refused. Only for an account that has never used spot; where the role is there, making it fails."
  type        = bool
  default     = false
  nullable    = false
}
