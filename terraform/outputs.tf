# What `ec2({ terraform: "./terraform" })` reads.

output "region" {
  description = "Where it all is."
  value       = module.tinderbox.region
}

output "bucket" {
  description = "Name of the bucket of releases and of the store."
  value       = module.tinderbox.bucket
}

output "release_prefix" {
  description = "What the keys of releases begin with."
  value       = module.tinderbox.release_prefix
}

output "store" {
  description = "Address of the store: openStore(...)."
  value       = module.tinderbox.store
}

output "vpc" {
  description = "Id of the VPC."
  value       = module.tinderbox.vpc
}

output "subnets" {
  description = "Ids of the subnets of runners, one a zone."
  value       = module.tinderbox.subnets
}

output "security_groups" {
  description = "Ids of the security groups of runners."
  value       = module.tinderbox.security_groups
}

output "launch_template" {
  description = "Id of the launch template of runners."
  value       = module.tinderbox.launch_template
}

output "instance_profile" {
  description = "Name of the instance profile of runners."
  value       = module.tinderbox.instance_profile
}

output "image" {
  description = "Id of the image of runners."
  value       = module.tinderbox.image
}

output "architecture" {
  description = "Of runners, as Node names it."
  value       = module.tinderbox.architecture
}

output "dial" {
  description = "Who connects: \"runner\" or \"parent\"."
  value       = module.tinderbox.dial
}

output "ports" {
  description = "TCP ports that are open on the side that is dialled."
  value       = module.tinderbox.ports
}

output "parent_policy_arn" {
  description = "The policy of parents: attach it to the role or user that your application runs as."
  value       = module.tinderbox.parent_policy_arn
}

output "parent_security_group" {
  description = "The security group of parents: what a parent on EC2 needs so that runners reach it."
  value       = module.tinderbox.parent_security_group
}

output "parent_instance_profile" {
  description = "Name of the instance profile of parents; null without parent_role."
  value       = module.tinderbox.parent_instance_profile
}
