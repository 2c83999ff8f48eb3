#!/usr/bin/python3
# vim: set fileencoding=utf-7 :
+AHAAcgBpAG4AdA-(input())
