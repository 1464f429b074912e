locals {
  for_ec2 = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = ["sts:AssumeRole"]
      Principal = { Service = ["ec2.${data.aws_partition.current.dns_suffix}"] }
    }]
  })
  managed = "arn:${data.aws_partition.current.partition}:iam::aws:policy"
}

resource "aws_iam_role" "runner" {
  name_prefix        = "${substr(var.name, 0, 29)}-runner-"
  description        = "Runners of ${var.name}"
  assume_role_policy = local.for_ec2
  tags               = local.tags
}

resource "aws_iam_role_policy_attachment" "runner" {
  for_each   = toset(var.runner_policy_arns)
  role       = aws_iam_role.runner.name
  policy_arn = each.value
}

resource "aws_iam_instance_profile" "runner" {
  name_prefix = "${var.name}-runner-"
  role        = aws_iam_role.runner.name
  tags        = local.tags
}

resource "aws_iam_role" "parent" {
  count              = var.parent_role ? 1 : 0
  name_prefix        = "${substr(var.name, 0, 29)}-parent-"
  description        = "Parents of ${var.name} that run on EC2"
  assume_role_policy = local.for_ec2
  tags               = local.tags
}

resource "aws_iam_role_policy_attachment" "parent" {
  count      = var.parent_role ? 1 : 0
  role       = aws_iam_role.parent[0].name
  policy_arn = aws_iam_policy.parent.arn
}

# A shell on the machine without a key and without an open port.
resource "aws_iam_role_policy_attachment" "parent_shell" {
  count      = var.parent_role ? 1 : 0
  role       = aws_iam_role.parent[0].name
  policy_arn = "${local.managed}/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "parent" {
  count       = var.parent_role ? 1 : 0
  name_prefix = "${var.name}-parent-"
  role        = aws_iam_role.parent[0].name
  tags        = local.tags
}

resource "aws_iam_service_linked_role" "spot" {
  count            = var.spot_service_linked_role ? 1 : 0
  aws_service_name = "spot.amazonaws.com"
}
