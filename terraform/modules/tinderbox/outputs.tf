# `ec2({ terraform: "./terraform" })` reads these.

output "region" {
  description = "Where it all is."
  value       = data.aws_region.current.region
}

output "bucket" {
  description = "Name of the bucket of releases and of the store."
  value       = aws_s3_bucket.this.bucket
}

output "release_prefix" {
  description = "What the keys of releases begin with."
  value       = var.release_prefix
}

output "store" {
  description = "Address of the store: openStore(...)."
  value       = "s3://${aws_s3_bucket.this.bucket}/${trimsuffix(var.store_prefix, "/")}"
}

output "vpc" {
  description = "Id of the VPC."
  value       = local.vpc_id
}

output "subnets" {
  description = "Ids of the subnets of runners, one a zone."
  value       = local.subnet_ids
}

output "security_groups" {
  description = "Ids of the security groups of runners."
  value       = [aws_security_group.runner.id]
}

output "launch_template" {
  description = "Id of the launch template of runners."
  value       = aws_launch_template.runner.id
}

output "instance_profile" {
  description = "Name of the instance profile of runners."
  value       = aws_iam_instance_profile.runner.name
}

output "image" {
  description = "Id of the image of runners."
  value       = local.image_id
}

output "architecture" {
  description = "Of runners, as Node names it."
  value       = var.architecture
}

output "dial" {
  description = "Who connects: \"runner\" or \"parent\"."
  value       = var.dial
}

output "ports" {
  description = "TCP ports that are open on the side that is dialled."
  value       = local.ports
}

output "parent_policy_arn" {
  description = "The policy of parents: attach it to the role or user that your application runs as."
  value       = aws_iam_policy.parent.arn
}

output "parent_security_group" {
  description = "The security group of parents: what a parent on EC2 needs so that runners reach it."
  value       = aws_security_group.parent.id
}

output "parent_instance_profile" {
  description = "Name of the instance profile of parents; null without parent_role."
  value       = one(aws_iam_instance_profile.parent[*].name)
}
