"""TeX that sets a formula and nothing else: the commands and environments that a page's typesetter may be given.

A list of what is allowed, since typesetters keep learning commands that link, load, style, define, or draw over the
page.
"""

# Letters and signs that stand alone.
_SYMBOLS = """
    AA aa AE ae aleph Alpha alpha And angle backprime backslash Bbbk Beta beta beth bigstar blacklozenge
    blacksquare blacktriangle blacktriangledown bot Box celsius checkmark Chi chi circledR circledS clubsuit
    complement copyright dag daleth ddag degree Delta delta diagdown diagup Diamond diamondsuit digamma ell
    emptyset Epsilon epsilon Eta eta eth euro exists Finv flat forall Game Gamma gamma gimel hbar heartsuit
    hslash i Im imath infty Iota iota j jmath Kappa kappa L l Lambda lambda lnot lozenge maltese measuredangle
    mho micro Mu mu nabla natural neg nexists Nu nu O o OE oe ohm Omega omega Omicron omicron P partial
    perthousand Phi phi Pi pi pounds prime Psi psi Re Rho rho S sharp Sigma sigma spadesuit sphericalangle
    square ss Tau tau Theta theta thetasym top triangle triangledown Upalpha upalpha Upbeta upbeta Upchi upchi
    Updelta updelta Upepsilon upepsilon Upeta upeta Upgamma upgamma Upiota upiota Upkappa upkappa Uplambda
    uplambda Upmu upmu Upnu upnu Upomega upomega Upomicron upomicron Upphi upphi Uppi uppi Uppsi uppsi Uprho
    uprho Upsigma upsigma Upsilon upsilon Uptau uptau Uptheta uptheta Upupsilon upupsilon Upxi upxi Upzeta
    upzeta varDelta varepsilon varGamma varkappa varLambda varnothing varOmega varPhi varphi varPi varpi varPsi
    varrho varSigma varsigma varTheta vartheta varUpsilon varXi wp Xi xi yen Zeta zeta
"""
# Operators, relations, arrows.
_OPERATORS = """
    amalg approx approxeq ast asymp backepsilon backsim backsimeq barwedge because between bigcap bigcirc bigcup
    bigodot bigoplus bigotimes bigsqcup bigtimes bigtriangledown bigtriangleup biguplus bigvee bigwedge
    blacktriangleleft blacktriangleright bowtie boxdot boxminus boxplus boxtimes bullet Bumpeq bumpeq Cap cap
    cdot cdotp cdots centercolon centerdot centernot circ circeq circlearrowleft circlearrowright circledast
    circledcirc circleddash colon Colonapprox colonapprox Coloneq coloneq Coloneqq coloneqq Colonsim colonsim
    cong coprod Cup cup curlyeqprec curlyeqsucc curlyvee curlywedge curvearrowleft curvearrowright dagger
    dashleftarrow dashrightarrow dashv dblcolon ddagger ddots diamond div divideontimes Doteq doteq
    doteqdot dotplus dots dotsb dotsc dotsi dotsm dotso doublebarwedge doublecap doublecup downdownarrows
    downharpoonleft downharpoonright eqcirc Eqcolon eqcolon Eqqcolon eqqcolon eqsim eqslantgtr eqslantless equiv
    fallingdotseq frown ge geq geqq geqslant gets gg ggg gggtr gnapprox gneq gneqq gnsim gt gtrapprox gtrdot
    gtreqless gtreqqless gtrless gtrsim gvertneqq hookleftarrow hookrightarrow idotsint iff iiiint iiint iint
    impliedby implies in int intercal intop Join land ldotp ldots le leadsto Leftarrow leftarrow leftarrowtail
    leftharpoondown leftharpoonup leftleftarrows Leftrightarrow leftrightarrow leftrightarrows leftrightharpoons
    leftrightsquigarrow leftthreetimes leq leqq leqslant lessapprox lessdot lesseqgtr lesseqqgtr lessgtr lesssim
    lhd ll Lleftarrow lll llless lnapprox lneq lneqq lnsim Longleftarrow longleftarrow Longleftrightarrow
    longleftrightarrow longmapsto Longrightarrow longrightarrow longrightleftharpoons looparrowleft
    looparrowright lor Lsh lt ltimes lvertneqq mapsto mid models mp multimap ncong ndownarrow ne nearrow neq
    ngeq ngeqq ngeqslant ngtr ni nLeftarrow nleftarrow nLeftrightarrow nleftrightarrow nleq nleqq nleqslant
    nless nmid notin nparallel nprec npreceq nRightarrow nrightarrow nshortmid nshortparallel nsim
    nsubseteq nsubseteqq nsucc nsucceq nsupseteq nsupseteqq ntriangleleft ntrianglelefteq ntriangleright
    ntrianglerighteq nuparrow nVDash nVdash nvDash nvdash nwarrow odot oint ominus oplus ordinarycolon oslash
    otimes owns parallel perp pitchfork pm prec precapprox preccurlyeq preceq precnapprox precneqq precnsim
    precsim prod propto ratio restriction rhd Rightarrow rightarrow rightarrowtail rightharpoondown
    rightharpoonup rightleftarrows rightleftharpoons rightrightarrows rightsquigarrow rightthreetimes
    risingdotseq Rrightarrow Rsh rtimes searrow setminus shortmid shortparallel shortvdotswithin sim simeq
    smallfrown smallint smallsetminus smallsmile smile sqcap sqcup sqsubset sqsubseteq sqsupset sqsupseteq star
    Subset subset subseteq subseteqq subsetneq subsetneqq succ succapprox succcurlyeq succeq succnapprox
    succneqq succnsim succsim sum Supset supset supseteq supseteqq supsetneq supsetneqq surd swarrow therefore
    thickapprox thicksim times to triangleleft trianglelefteq triangleq triangleright trianglerighteq tripledash
    twoheadleftarrow twoheadrightarrow unlhd unrhd upharpoonleft upharpoonright uplus upuparrows varpropto
    varsubsetneq varsubsetneqq varsupsetneq varsupsetneqq vartriangle vartriangleleft vartriangleright
    vcentcolon Vdash vDash vdash vdots vdotswithin vee veebar Vvdash wedge wr
"""
# Brackets, and what sizes them.
_DELIMITERS = """
    Arrowvert arrowvert Big big Bigg bigg Biggl biggl Biggm biggm Biggr biggr Bigl bigl Bigm bigm Bigr bigr
    bracevert Downarrow downarrow lang langle lBrace lbrace lbrack lceil left lfloor lgroup llbracket llcorner
    lmoustache lparen lrcorner lVert lvert middle rang rangle rBrace rbrace rbrack rceil rfloor rgroup right
    rmoustache rparen rrbracket rVert rvert ulcorner Uparrow uparrow Updownarrow updownarrow urcorner Vert vert
"""
# Named functions and limits.
_FUNCTIONS = """
    arccos arccot arccsc arcsec arcsin arctan arg argmax argmin bmod cos cosh cot coth csc csch deg det dim erf
    exp gcd hom inf injlim ker lg lim liminf limits limsup ln log max min mod nolimits operatorname
    operatornamewithlimits plim pmod pod Pr projlim rank sec sech sin sinh sup tan tanh Tr tr varinjlim
    varliminf varlimsup varprojlim
"""
# What stands above, below or across something.
_ACCENTS = """
    acute bar bcancel breve c cancel cancelto check ddddot dddot ddot dot grave H hat mathring not overbrace
    overbracket overgroup overleftarrow overleftrightarrow overline overparen Overrightarrow overrightarrow sout
    tilde u underbar underbrace underbracket undergroup underleftarrow underleftrightarrow underline underparen
    underrightarrow utilde v vec widecheck widehat widetilde xcancel xhookleftarrow xhookrightarrow xLeftarrow
    xleftarrow xleftharpoondown xleftharpoonup xLeftrightarrow xleftrightarrow xleftrightharpoons xlongequal
    xmapsto xRightarrow xrightarrow xrightharpoondown xrightharpoonup xrightleftharpoons xtofrom
    xtwoheadleftarrow xtwoheadrightarrow
"""
# Fonts and sizes, and signs inside text.
_FONTS = """
    Bbb bf bm boldsymbol cal displaystyle emph frak Huge huge it LARGE Large large mathbb mathbf mathbfcal
    mathbffrak mathbfit mathbfscr mathbfsf mathbfsfit mathbfsfup mathbfup mathcal mathfrak mathit mathnormal
    mathrm mathscr mathsf mathsfit mathsfup mathtt mathup mit normalsize oldstyle pmb rm scr scriptscriptstyle
    scriptsize scriptstyle sf small symbb symbf symbfcal symbffrak symbfit symbfscr symbfsf symbfsfit symbfsfup
    symbfup symcal symfrak symit symnormal symrm symscr symsf symsfit symsfup symtt symup textasciicircum
    textasciitilde textbackslash textbar textbf textbraceleft textbraceright textbullet textcelsius textdagger
    textdegree textdollar textellipsis textemdash textendash texteuro textgreater textit textless textmu
    textnormal textohm textpm textquotedblleft textquotedblright textquoteleft textquoteright textregistered
    textrm textsection textsf textstyle textsubscript textsuperscript texttimes texttrademark texttt
    textunderscore textup Tiny tiny tt
"""
# Fractions, stacks, boxes, blanks, colours.
_LAYOUT = """
    Aboxed adjustlimits allowbreak atop binom boxed brace brack buildrel cases cfrac choose clap color
    colorbox cr cramped dbinom dfrac enspace fbox fcolorbox frac framebox genfrac hbox hdashline hfil hfill
    hline hphantom hskip hspace intertext kern LaTeX llap mathbin mathchoice mathclap mathclose mathinner
    mathllap mathop mathopen mathord mathpunct mathrel mathrlap mathstrut matrix mbox medspace mkern MoveEqLeft
    mskip mspace negmedspace negthickspace negthinspace newline nobreak nobreakspace nonumber notag over overset
    overunderset phantom pmatrix prescript qquad quad rlap root shortintertext shoveleft shoveright sideset skew
    space splitdfrac splitfrac sqrt stackbin stackrel strut substack tag tbinom TeX text textcolor tfrac
    thickspace thinspace underset vcenter vphantom
"""
# Physics and chemistry.
_SCIENCE = """
    Bra bra Braket braket ce Ket ket ketbra pu Set set
"""

COMMANDS = frozenset(
    f"{_SYMBOLS} {_OPERATORS} {_DELIMITERS} {_FUNCTIONS} {_ACCENTS} {_FONTS} {_LAYOUT} {_SCIENCE}".split()
)
# Each with its form without numbers, which a star marks.
_ENVIRONMENTS = """
    array matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix psmallmatrix bsmallmatrix Bsmallmatrix
    vsmallmatrix Vsmallmatrix cases dcases rcases drcases aligned alignedat gathered split multlined lgathered
    rgathered subarray equation align gather multline alignat flalign eqnarray CD darray crampedsubarray
"""
ENVIRONMENTS = frozenset(name + star for name in _ENVIRONMENTS.split() for star in ("", "*"))
