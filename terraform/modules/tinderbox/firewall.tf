# Between runners and parent one range of ports, in one direction. A group without rules lets nothing through; name
# resolution and time come from the VPC itself and need none.

locals {
  runners_dial = var.dial == "runner"
  parent_cidrs = toset(var.parent_cidrs)
  # Both sides' defaults in ec2(): any port that Linux gives, and runnerPort.
  ports = var.ports != null ? var.ports : local.runners_dial ? { from = 32768, to = 60999 } : { from = 7117, to = 7117 }
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

data "aws_ec2_managed_prefix_list" "s3" {
  name = "com.amazonaws.${data.aws_region.current.region}.s3"
}

resource "aws_vpc_security_group_egress_rule" "runner_to_s3" {
  security_group_id = aws_security_group.runner.id
  description       = "S3: releases and the store"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = data.aws_ec2_managed_prefix_list.s3.id
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "runner_to_internet" {
  count             = var.internet == "none" ? 0 : 1
  security_group_id = aws_security_group.runner.id
  description       = "HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "runner_to_else" {
  for_each          = var.runner_egress
  security_group_id = aws_security_group.runner.id
  description       = each.key
  ip_protocol       = each.value.protocol
  from_port         = each.value.from
  to_port           = each.value.to
  cidr_ipv4         = each.value.cidr
  tags              = local.tags
}

# dial = "runner"

resource "aws_vpc_security_group_egress_rule" "runner_to_parent" {
  count                        = local.runners_dial ? 1 : 0
  security_group_id            = aws_security_group.runner.id
  description                  = "Parents"
  ip_protocol                  = "tcp"
  from_port                    = local.ports.from
  to_port                      = local.ports.to
  referenced_security_group_id = aws_security_group.parent.id
  tags                         = local.tags
}

resource "aws_vpc_security_group_egress_rule" "runner_to_parent_elsewhere" {
  for_each          = local.runners_dial ? local.parent_cidrs : []
  security_group_id = aws_security_group.runner.id
  description       = "Parents elsewhere"
  ip_protocol       = "tcp"
  from_port         = local.ports.from
  to_port           = local.ports.to
  cidr_ipv4         = each.value
  tags              = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "parent_from_runner" {
  count                        = local.runners_dial ? 1 : 0
  security_group_id            = aws_security_group.parent.id
  description                  = "Runners"
  ip_protocol                  = "tcp"
  from_port                    = local.ports.from
  to_port                      = local.ports.to
  referenced_security_group_id = aws_security_group.runner.id
  tags                         = local.tags
}

# dial = "parent"

resource "aws_vpc_security_group_ingress_rule" "runner_from_parent" {
  count                        = local.runners_dial ? 0 : 1
  security_group_id            = aws_security_group.runner.id
  description                  = "Parents"
  ip_protocol                  = "tcp"
  from_port                    = local.ports.from
  to_port                      = local.ports.to
  referenced_security_group_id = aws_security_group.parent.id
  tags                         = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "runner_from_parent_elsewhere" {
  for_each          = local.runners_dial ? [] : local.parent_cidrs
  security_group_id = aws_security_group.runner.id
  description       = "Parents elsewhere"
  ip_protocol       = "tcp"
  from_port         = local.ports.from
  to_port           = local.ports.to
  cidr_ipv4         = each.value
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "parent_to_runner" {
  count                        = local.runners_dial ? 0 : 1
  security_group_id            = aws_security_group.parent.id
  description                  = "Runners"
  ip_protocol                  = "tcp"
  from_port                    = local.ports.from
  to_port                      = local.ports.to
  referenced_security_group_id = aws_security_group.runner.id
  tags                         = local.tags
}

# Both: it asks EC2 and S3.
resource "aws_vpc_security_group_egress_rule" "parent_to_internet" {
  security_group_id = aws_security_group.parent.id
  description       = "HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
  tags              = local.tags
}
