print(input().replace("a", "4\u200b2").replace("b", "4\u00ad2").replace("c", "\u202e24"))
