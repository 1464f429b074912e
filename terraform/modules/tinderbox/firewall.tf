# Between runners and parent one range of ports, in one direction. A group without rules lets nothing through; name
# resolution and time come from the VPC itself and need none.

locals {
  runners_dial = var.dial == "runner"
  # Both sides' defaults in ec2(): any port that Linux gives, and runnerPort.
  ports = var.ports != null ? var.ports : local.runners_dial ? { from = 32768, to = 60999 } : { from = 7117, to = 7117 }

  groups = { runner = aws_security_group.runner.id, parent = aws_security_group.parent.id }
  # Each side as the other sees it. Parents that are not in their group are known to runners by their addresses.
  runners = { Runners = { group = local.groups.runner, cidr = null } }
  parents = merge(
    { Parents = { group = local.groups.parent, cidr = null } },
    { for cidr in var.parent_cidrs : "Parents at ${cidr}" => { group = null, cidr = cidr } },
  )
}

resource "aws_security_group" "runner" {
  name_prefix = "${var.name}-runner-"
  description = "Runners of ${var.name}"
  vpc_id      = local.vpc_id
  tags        = merge(local.tags, { Name = "${var.name}-runner" })
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group" "parent" {
  name_prefix = "${var.name}-parent-"
  description = "Parents of ${var.name}"
  vpc_id      = local.vpc_id
  tags        = merge(local.tags, { Name = "${var.name}-parent" })
  lifecycle {
    create_before_destroy = true
  }
}

# Who connects may do so, to the other side's ports.
resource "aws_vpc_security_group_egress_rule" "dials" {
  for_each                     = local.runners_dial ? local.parents : local.runners
  security_group_id            = local.groups[local.runners_dial ? "runner" : "parent"]
  description                  = each.key
  ip_protocol                  = "tcp"
  from_port                    = local.ports.from
  to_port                      = local.ports.to
  referenced_security_group_id = each.value.group
  cidr_ipv4                    = each.value.cidr
  tags                         = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "is_dialled" {
  for_each                     = local.runners_dial ? local.runners : local.parents
  security_group_id            = local.groups[local.runners_dial ? "parent" : "runner"]
  description                  = each.key
  ip_protocol                  = "tcp"
  from_port                    = local.ports.from
  to_port                      = local.ports.to
  referenced_security_group_id = each.value.group
  cidr_ipv4                    = each.value.cidr
  tags                         = local.tags
}

# Parents ask EC2 and S3; what runners ask is up to their code.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each          = toset(var.internet == "none" ? ["parent"] : ["parent", "runner"])
  security_group_id = local.groups[each.key]
  description       = "HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
  tags              = local.tags
}

data "aws_ec2_managed_prefix_list" "s3" {
  name = "com.amazonaws.${data.aws_region.current.region}.s3"
}

resource "aws_vpc_security_group_egress_rule" "runner_to_s3" {
  security_group_id = local.groups.runner
  description       = "S3: releases and the store"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = data.aws_ec2_managed_prefix_list.s3.id
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "runner_to_else" {
  for_each          = var.runner_egress
  security_group_id = local.groups.runner
  description       = each.key
  ip_protocol       = each.value.protocol
  from_port         = each.value.from
  to_port           = each.value.to
  cidr_ipv4         = each.value.cidr
  tags              = local.tags
}
