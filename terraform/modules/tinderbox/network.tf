locals {
  new_vpc = var.vpc_id == null
  nat     = local.new_vpc && var.internet == "nat"
  # A zone keeps its range when zones are added.
  zone_names = local.new_vpc ? sort(slice(data.aws_availability_zones.usable[0].names, 0, min(var.zones, length(data.aws_availability_zones.usable[0].names)))) : []
  zones      = { for index, zone in local.zone_names : zone => cidrsubnet(var.vpc_cidr, 4, index) }
  vpc_id     = local.new_vpc ? aws_vpc.this[0].id : var.vpc_id
  subnet_ids = local.new_vpc ? [for zone in local.zone_names : aws_subnet.runner[zone].id] : [for id in var.subnet_ids : data.aws_subnet.existing[id].id]

  # With the provider's default_tags what is made has them as well.
  tags = merge(var.tags, { "tinderbox:deployment" = var.name })
}

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

data "aws_availability_zones" "usable" {
  count = local.new_vpc ? 1 : 0
  state = "available"
  # Not the local zones: they lack most types.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_subnet" "existing" {
  for_each = toset(var.subnet_ids)
  id       = each.value
  lifecycle {
    postcondition {
      condition     = self.vpc_id == var.vpc_id
      error_message = "Cannot use subnet ${each.value}: it is not in ${var.vpc_id == null ? "the VPC" : var.vpc_id}."
    }
  }
}

resource "aws_vpc" "this" {
  count                = local.new_vpc ? 1 : 0
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = var.name })
}

# The group that machines get which are launched without one: nothing in, nothing out.
resource "aws_default_security_group" "this" {
  count  = local.new_vpc ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = merge(local.tags, { Name = "${var.name}-unused" })
}

resource "aws_subnet" "runner" {
  for_each                = local.zones
  vpc_id                  = local.vpc_id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = var.internet == "public"
  tags                    = merge(local.tags, { Name = "${var.name}-${each.key}" })
}

resource "aws_internet_gateway" "this" {
  count  = local.new_vpc && var.internet != "none" ? 1 : 0
  vpc_id = local.vpc_id
  tags   = merge(local.tags, { Name = var.name })
}

resource "aws_route_table" "runner" {
  count  = local.new_vpc ? 1 : 0
  vpc_id = local.vpc_id
  tags   = merge(local.tags, { Name = "${var.name}-runners" })
}

resource "aws_route" "runner_public" {
  count                  = local.new_vpc && var.internet == "public" ? 1 : 0
  route_table_id         = aws_route_table.runner[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route" "runner_nat" {
  count                  = local.nat ? 1 : 0
  route_table_id         = aws_route_table.runner[0].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[0].id
}

resource "aws_route_table_association" "runner" {
  for_each       = local.zones
  subnet_id      = aws_subnet.runner[each.key].id
  route_table_id = aws_route_table.runner[0].id
}

# Free, and it keeps releases out of the bill of a NAT gateway.
resource "aws_vpc_endpoint" "s3" {
  count             = local.new_vpc || length(var.s3_route_table_ids) > 0 ? 1 : 0
  vpc_id            = local.vpc_id
  service_name      = "com.amazonaws.${data.aws_region.current.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = local.new_vpc ? [aws_route_table.runner[0].id] : var.s3_route_table_ids
  tags              = merge(local.tags, { Name = "${var.name}-s3" })
}

# One NAT gateway in one zone: runners are replaced where a zone fails, and each gateway costs as much as a small machine.
resource "aws_subnet" "nat" {
  count             = local.nat ? 1 : 0
  vpc_id            = local.vpc_id
  availability_zone = local.zone_names[0]
  cidr_block        = cidrsubnet(var.vpc_cidr, 8, 255)
  tags              = merge(local.tags, { Name = "${var.name}-nat" })
}

resource "aws_route_table" "nat" {
  count  = local.nat ? 1 : 0
  vpc_id = local.vpc_id
  tags   = merge(local.tags, { Name = "${var.name}-nat" })
}

resource "aws_route" "nat" {
  count                  = local.nat ? 1 : 0
  route_table_id         = aws_route_table.nat[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "nat" {
  count          = local.nat ? 1 : 0
  subnet_id      = aws_subnet.nat[0].id
  route_table_id = aws_route_table.nat[0].id
}

resource "aws_eip" "nat" {
  count  = local.nat ? 1 : 0
  domain = "vpc"
  tags   = merge(local.tags, { Name = "${var.name}-nat" })
}

resource "aws_nat_gateway" "this" {
  count         = local.nat ? 1 : 0
  allocation_id = aws_eip.nat[0].id
  subnet_id     = aws_subnet.nat[0].id
  tags          = merge(local.tags, { Name = var.name })
  depends_on    = [aws_route.nat]
}
