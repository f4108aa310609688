from mssviz.cli import main

main()
